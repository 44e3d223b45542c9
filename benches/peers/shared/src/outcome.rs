use std::process::ExitCode;

/// How a missed bar is named at the end of a report.
pub fn missed(what: &str, is: impl std::fmt::Display, bar: impl std::fmt::Display) -> String {
    format!("MISSED: {what}: {is}, bar {bar}")
}

/// The exit code: 0 when every bar is met, 1 after naming those that are not, 2 when something could not be measured.
pub fn finish(outcome: Result<Vec<String>, String>) -> ExitCode {
    match outcome {
        Ok(missed) if missed.is_empty() => ExitCode::SUCCESS,
        Ok(missed) => {
            missed.iter().for_each(|line| println!("{line}"));
            ExitCode::FAILURE
        }
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::from(2)
        }
    }
}
