//! The table.

use std::{fmt::Write as _, hint::black_box, time::Instant};

use shared::{Spread, collected, save};

use crate::{
    cart::Cart,
    subject::{Case, Sealer, Subject},
};

/// N of the N and 2N operations whose instructions are differenced.
const COUNTED: u64 = 500;

/// Operations of one run whose time is taken.
const TIMED: u64 = 500;

const ROUNDS: usize = 21;

/// Where `measured` is.
const MODULE: &str = "token::report";

struct Row {
    subject: Subject,
    case: Case,
    instructions: i64,
    nanoseconds: Spread,
    characters: usize,
}

/// Measures everything, prints the table and keeps it in the target directory.
pub(crate) fn report() -> Result<Vec<String>, String> {
    let (cart, mut all) = (Cart::new(), Vec::new());
    for case in Case::ALL {
        for subject in Subject::ALL {
            let sealer = subject.sealer()?;
            let token = sealer.seal(&cart)?;
            if sealer.open(&token)? != cart {
                return Err(format!("{} opens another cart than it sealed", subject.name()));
            }
            all.push((subject, case, sealer, token));
        }
    }
    let mut times = vec![Vec::with_capacity(ROUNDS); all.len()];
    for round in 0..ROUNDS {
        for turn in 0..all.len() {
            let at = (turn + round) % all.len();
            let (_, case, sealer, token) = &all[at];
            let start = Instant::now();
            measured(sealer, *case, &cart, token, TIMED)?;
            times[at].push(start.elapsed().as_secs_f64() * 1e9 / TIMED as f64);
        }
    }
    let mut rows = Vec::new();
    for ((subject, case, _, token), times) in all.iter().zip(times) {
        eprintln!("counting {} {} ...", subject.name(), case.name());
        let once = instructions(*subject, *case, COUNTED)?;
        let twice = instructions(*subject, *case, 2 * COUNTED)?;
        let instructions = (twice - once) / i64::try_from(COUNTED).map_err(|_| "too many operations")?;
        rows.push(Row { subject: *subject, case: *case, instructions, nanoseconds: Spread::of(times), characters: token.len() });
    }
    let text = markdown(&rows)?;
    println!("{text}");
    save("token.md", &text)?;
    Ok(Vec::new())
}

fn instructions(subject: Subject, case: Case, count: u64) -> Result<i64, String> {
    collected(MODULE, &["run", subject.name(), case.name(), &count.to_string()])
}

/// One case alone.
pub(crate) fn run(subject: &str, case: &str, count: &str) -> Result<(), String> {
    let subject = Subject::ALL.into_iter().find(|one| one.name() == subject).ok_or_else(|| format!("no subject {subject}"))?;
    let case = Case::ALL.into_iter().find(|one| one.name() == case).ok_or_else(|| format!("no case {case}"))?;
    let count = count.parse().map_err(|_| format!("{count} is not a number"))?;
    let (cart, sealer) = (Cart::new(), subject.sealer()?);
    let token = sealer.seal(&cart)?;
    measured(&sealer, case, &cart, &token, count)
}

#[inline(never)]
fn measured(sealer: &Sealer, case: Case, cart: &Cart, token: &str, count: u64) -> Result<(), String> {
    for _ in 0..count {
        match case {
            Case::Seal => drop(black_box(sealer.seal(black_box(cart))?)),
            Case::Open => drop(black_box(sealer.open(black_box(token))?)),
        }
    }
    Ok(())
}

fn markdown(rows: &[Row]) -> Result<String, String> {
    let size = serde_json::to_vec(&Cart::new()).map_err(|error| error.to_string())?.len();
    let mut text = format!(
        "Sessions of {size} bytes in tokens: Ir and ns per operation, ns as median (quartiles) of {ROUNDS} rounds; \
         jsonwebtoken 11 with `rust_crypto`\n\n\
         | operation | subject | characters | Ir | ns | Ir, times ours | ns, times ours |\n|---|---|---:|---:|---:|---:|---:|\n"
    );
    for Row { subject, case, instructions, nanoseconds, characters } in rows {
        let ours = rows.iter().find(|row| row.case == *case && row.subject.peer() == Some(*subject));
        #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let ratios = ours.map(|ours| {
            let instructions = *instructions as f64 / ours.instructions as f64;
            format!("{instructions:.2} | {:.2}", nanoseconds.median / ours.nanoseconds.median)
        });
        let (case, subject, ratios) = (case.name(), subject.name(), ratios.unwrap_or_else(|| " | ".to_owned()));
        let _ = writeln!(text, "| {case} | {subject} | {characters} | {instructions} | {nanoseconds:.0} | {ratios} |");
    }
    Ok(text)
}
