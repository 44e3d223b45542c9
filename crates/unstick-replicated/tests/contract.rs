//! The contract of a store holds over two stores, with and without a witness.

mod common;

use common::{Files, Pairs, Trios};

mod two_in_memory {
    use super::*;
    unstick_testkit::contract_suite!(Pairs);
}

mod with_a_witness {
    use super::*;
    unstick_testkit::contract_suite!(Trios);
}

mod two_files {
    use super::*;
    unstick_testkit::contract_suite!(Files::default());
}
