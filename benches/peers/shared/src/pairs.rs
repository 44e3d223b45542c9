/// Runs every subject beside its reference, `rounds` times, in alternating order and each round beginning with another one, so that neither what else
/// the machine does nor who ran before decides. The run is told which subject, the number of the pair, and whether it is the reference's turn.
///
/// # Errors
/// Those of the first run that fails.
///
/// ```
/// let pairs = shared::pairs(3, 2, |at, _, is_reference| Ok(if is_reference { 1.0 } else { at as f64 + 2.0 })).unwrap();
/// assert_eq!(pairs, [[(1.0, 2.0); 3], [(1.0, 3.0); 3]]);
/// ```
pub fn pairs<T>(
    rounds: usize,
    subjects: usize,
    mut run: impl FnMut(usize, usize, bool) -> Result<T, String>,
) -> Result<Vec<Vec<(T, T)>>, String> {
    let mut pairs: Vec<Vec<(T, T)>> = (0..subjects).map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds {
        for turn in 0..subjects {
            // prime to most numbers of subjects, so that neighbours change, too
            let (at, number) = ((turn + round * 7) % subjects, round * subjects + turn);
            let pair = if (round + turn) % 2 == 0 {
                let reference = run(at, number, true)?;
                (reference, run(at, number, false)?)
            } else {
                let subject = run(at, number, false)?;
                (run(at, number, true)?, subject)
            };
            pairs[at].push(pair);
        }
    }
    Ok(pairs)
}
