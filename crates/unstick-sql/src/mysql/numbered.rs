//! Statements with numbered parameters, which this dialect does not have: each use of a number becomes a parameter of its own.

use sqlx::{Arguments as _, AssertSqlSafe, MySql, SqlSafeStr, SqlStr, mysql::MySqlArguments, query::Query};
use unstick_core::Timestamp;

/// A value for a parameter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Null,
    Number(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
}

impl From<Timestamp> for Value<'_> {
    fn from(at: Timestamp) -> Self {
        Self::Number(at.as_millis())
    }
}

impl<'a> From<Option<&'a [u8]>> for Value<'a> {
    fn from(bytes: Option<&'a [u8]>) -> Self {
        bytes.map_or(Self::Null, Self::Bytes)
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

/// A statement and the numbers of its parameters, in order of their use.
#[derive(Debug)]
pub(crate) struct Numbered {
    text: SqlStr,
    uses: Vec<usize>,
}

impl Numbered {
    /// From a text in which `?1` is the first value. Such a mark must not stand inside a quoted text.
    pub(super) fn new(sql: &str) -> Self {
        let mut pieces = sql.split('?');
        let mut text = pieces.next().unwrap_or_default().to_owned();
        let mut uses = Vec::new();
        for piece in pieces {
            let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
            uses.push(piece[..digits].parse::<usize>().unwrap_or(0).saturating_sub(1));
            text.push('?');
            text.push_str(&piece[digits..]);
        }
        Self { text: AssertSqlSafe(std::sync::Arc::<str>::from(text)).into_sql_str(), uses }
    }

    /// With its values; the first belongs to `?1`.
    pub(super) fn with(&self, values: &[Value<'_>]) -> Query<'static, MySql, MySqlArguments> {
        let mut arguments = MySqlArguments::default();
        for &number in &self.uses {
            // encoding these types never fails
            let _ = match values.get(number).copied().unwrap_or(Value::Null) {
                Value::Null => arguments.add(None::<i64>),
                Value::Number(number) => arguments.add(number),
                Value::Bytes(bytes) => arguments.add(bytes),
                Value::Text(text) => arguments.add(text),
            };
        }
        sqlx::query_with(self.text.clone(), arguments)
    }

    /// Bytes of all texts that go with it.
    pub(super) fn size(&self, values: &[Value<'_>]) -> usize {
        let one = |number: &usize| match values.get(*number) {
            Some(Value::Text(text)) => text.len(),
            _ => 0,
        };
        self.uses.iter().map(one).sum()
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        self.text.as_str()
    }

    #[cfg(test)]
    pub(super) fn uses(&self) -> &[usize] {
        &self.uses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_use_of_a_number_is_bound() {
        let sql = Numbered::new("SELECT ?2, a FROM b WHERE c = ?1 AND d < ?12 AND ?1");
        assert_eq!((sql.text(), sql.uses()), ("SELECT ?, a FROM b WHERE c = ? AND d < ? AND ?", &[1, 0, 11, 0][..]));
        assert_eq!(Numbered::new("SELECT 1").uses(), [0; 0]);
    }
}
