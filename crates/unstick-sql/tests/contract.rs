//! The store contract, with a second store over the same data as another node.

mod common;

#[cfg(feature = "sqlite")]
mod sqlite {
    use super::common::sqlite::Files;

    mod system_clock {
        use super::*;
        unstick_testkit::contract_suite!(Files::new(None));
    }

    mod manual_clock {
        use unstick_testkit::clock::ManualClock;

        use super::*;
        unstick_testkit::contract_suite!(Files::new(Some(ManualClock::default())));
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use unstick_testkit::require_server;

    use super::common::postgres::{SERVER, Tables};

    mod system_clock {
        use super::*;
        unstick_testkit::contract_suite!(Tables::new(require_server!(SERVER.get()), None));
    }

    mod manual_clock {
        use unstick_testkit::clock::ManualClock;

        use super::*;
        unstick_testkit::contract_suite!(Tables::new(require_server!(SERVER.get()), Some(ManualClock::default())));
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    use super::common::mysql::{Tables, url};

    mod system_clock {
        use super::*;
        unstick_testkit::contract_suite!(Tables::new(url!(), None));
    }

    mod manual_clock {
        use unstick_testkit::clock::ManualClock;

        use super::*;
        unstick_testkit::contract_suite!(Tables::new(url!(), Some(ManualClock::default())));
    }
}
