//! Replays the fuzzing corpus and a short run of mutations on stable; `fuzz/` runs the same check without end.

#[path = "../../unstick-core/tests/fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/token.rs"]
mod token;

const MUTANTS: usize = 10_000;

#[test]
fn whatever_comes_is_read_or_refused() {
    let corpus = mutate::corpus("token");
    let genuine = corpus.iter().filter(|input| token::check(input)).count();
    assert!(genuine > 3 && genuine < corpus.len(), "{genuine} of {}", corpus.len());
    let genuine = mutate::mutants(&corpus, 0x5eed_0004, MUTANTS, token::check);
    assert!(genuine > MUTANTS / 500 && genuine < MUTANTS, "{genuine} mutants were genuine");
}
