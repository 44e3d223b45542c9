//! Replays the fuzzing corpus and a short run of mutations on stable; `fuzz/` runs the same check without end.

#[path = "fuzz/cookie.rs"]
mod cookie;
#[path = "../../unstick-core/tests/fuzz/mutate.rs"]
mod mutate;

const MUTANTS: usize = 20_000;

#[test]
fn exactly_our_cookies_are_found() {
    let corpus = mutate::corpus("cookie");
    let ours = corpus.iter().filter(|input| cookie::check(input)).count();
    assert!(ours > 1 && ours < corpus.len(), "our cookie in {ours} of {}", corpus.len());
    let ours = mutate::mutants(&corpus, 0x5eed_0003, MUTANTS, cookie::check);
    assert!(ours > MUTANTS / 10 && ours < MUTANTS, "our cookie in {ours} mutants");
}
