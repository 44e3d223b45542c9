//! Dates of the `Expires` attribute (RFC 6265bis section 5.1.1): anything that browsers take for one.

use unstick_core::Timestamp;

const MONTHS: [&[u8; 3]; 12] = [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, 0x09 | 0x20..=0x2f | 0x3b..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e)
}

/// A number of `min` to `max` digits at the start, and what follows it; a further digit must not.
fn number(token: &[u8], min: usize, max: usize) -> Option<(i64, &[u8])> {
    let digits = token.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits < min || digits > max {
        return None;
    }
    let value = token[..digits].iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some((value, &token[digits..]))
}

fn time(token: &[u8]) -> Option<(i64, i64, i64)> {
    let (hour, rest) = number(token, 1, 2)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?, 1, 2)?;
    let (second, _) = number(rest.strip_prefix(b":")?, 1, 2)?;
    Some((hour, minute, second))
}

fn month(token: &[u8]) -> Option<i64> {
    let start = token.get(..3)?.to_ascii_lowercase();
    let at = MONTHS.iter().position(|name| name[..] == start[..])?;
    i64::try_from(at + 1).ok()
}

pub(super) fn parse(value: &[u8]) -> Option<Timestamp> {
    let (mut clock, mut day, mut month_of_year, mut year) = (None, None, None, None);
    for token in value.split(|byte| is_delimiter(*byte)).filter(|token| !token.is_empty()) {
        if clock.is_none() && time(token).is_some() {
            clock = time(token);
        } else if day.is_none() && number(token, 1, 2).is_some() {
            day = number(token, 1, 2).map(|(day, _)| day);
        } else if month_of_year.is_none() && month(token).is_some() {
            month_of_year = month(token);
        } else if year.is_none() && number(token, 2, 4).is_some() {
            year = number(token, 2, 4).map(|(year, _)| year);
        }
    }
    let ((hour, minute, second), day, month) = (clock?, day?, month_of_year?);
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ 0..=69 => year + 2000,
        year => year,
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if year < 1601 || day < 1 || day > last || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since the epoch by counting years from March, so that the leap day comes last.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 1 - 719_468;
    Some(Timestamp::from_millis((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<i64> {
        parse(text.as_bytes()).map(|at| at.as_millis() / 1000)
    }

    #[test]
    fn dates_that_servers_send() {
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("Sunday, 06-Nov-94 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("Sun Nov  6 08:49:37 1994"), Some(784_111_777));
        assert_eq!(seconds("Tue, 29 Feb 2028 23:59:59 GMT"), Some(1_835_481_599));
        assert_eq!(seconds("1 jAnUaRy 69 0:0:0"), Some(3_124_224_000), "two digits below seventy are this century's");
        assert_eq!(seconds("Mon, 01 Jan 1601 00:00:00 GMT"), Some(-11_644_473_600));
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "0",
            "tomorrow",
            "Thu, 01 Jan 1970",
            "00:00:00 GMT",
            "Thu, 32 Jan 2020 00:00:00",
            "Thu, 29 Feb 2027 00:00:00",
            "Thu, 01 Jan 1600 00:00:00",
            "Thu, 01 Jan 2020 24:00:00",
            "Thu, 01 Jan 2020 00:60:00",
            "Thu, 01 Jan 20200 00:00:00",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
