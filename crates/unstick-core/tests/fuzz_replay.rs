//! Replays the fuzzing corpus and a short run of mutations on stable; `fuzz/` runs the same checks without end.

#[path = "fuzz/credential.rs"]
mod credential;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/record.rs"]
mod record;

const MUTANTS: usize = 20_000;

#[test]
fn records_are_read_or_refused() {
    let corpus = mutate::corpus("record");
    let genuine = corpus.iter().filter(|input| record::check(input)).count();
    assert!(genuine > 1 && genuine < corpus.len(), "{genuine} records among {}", corpus.len());
    let genuine = mutate::mutants(&corpus, 0x5eed_0001, MUTANTS, record::check);
    assert!(genuine > MUTANTS / 100 && genuine < MUTANTS, "{genuine} mutants were records");
}

#[test]
fn only_what_was_sealed_is_authentic() {
    let corpus = mutate::corpus("credential");
    let sealed: Vec<_> = corpus.iter().filter(|input| credential::check(input)).collect();
    assert!(sealed.len() > 1 && sealed.len() < corpus.len(), "{} credentials among {}", sealed.len(), corpus.len());
    let mut forgeries = 0;
    mutate::mutants(&corpus, 0x5eed_0002, MUTANTS, |input| {
        let authentic = credential::check(input);
        // A mutation can undo itself.
        assert!(!authentic || sealed.iter().any(|sealed| **sealed == input), "forged: {}", input.escape_ascii());
        forgeries += usize::from(!authentic);
        authentic
    });
    assert!(forgeries > MUTANTS / 2, "{forgeries} forgeries were tried");
}

#[test]
fn no_other_character_at_any_place_is_authentic() {
    for sealed in mutate::corpus("credential").iter().filter(|input| credential::check(input)) {
        for at in 0..sealed.len() {
            for byte in (0..=u8::MAX).filter(|byte| *byte != sealed[at]) {
                let mut forged = sealed.clone();
                forged[at] = byte;
                assert!(!credential::check(&forged), "{byte:#04x} at {at}");
            }
        }
    }
}
