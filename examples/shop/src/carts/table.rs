//! The carts in SQLite: the one truth that all nodes share.

use std::{str::FromStr, time::Duration};

use sqlx::{
    Row, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

use super::model::{CartKey, CartLine, SavedCart};

const CREATE: &str = "\
CREATE TABLE IF NOT EXISTS saved_carts (
    customer INTEGER NOT NULL,
    kind TEXT NOT NULL,
    market TEXT NOT NULL,
    version INTEGER NOT NULL,
    lines TEXT NOT NULL,
    PRIMARY KEY (customer, kind, market)
) STRICT, WITHOUT ROWID";

const LOAD: &str = "SELECT version, lines FROM saved_carts WHERE customer = ?1 AND kind = ?2 AND market = ?3";

const REPLACE: &str = "\
INSERT INTO saved_carts (customer, kind, market, version, lines) VALUES (?1, ?2, ?3, 1, ?4)
ON CONFLICT DO UPDATE SET version = version + 1, lines = excluded.lines
RETURNING version";

/// One node's connections.
#[derive(Debug, Clone)]
pub(crate) struct Table(SqlitePool);

impl Table {
    /// Opens the file and makes the table, unless it is there.
    pub(crate) async fn open(url: &str) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new().max_connections(4).acquire_timeout(Duration::from_secs(5)).connect_with(options).await?;
        sqlx::query(CREATE).execute(&pool).await?;
        Ok(Self(pool))
    }

    /// The cart, if there is one.
    pub(crate) async fn load(&self, (customer, kind, market): CartKey) -> Result<Option<SavedCart>, sqlx::Error> {
        let query = sqlx::query(LOAD).bind(integer(customer)?).bind(kind.as_str()).bind(market.to_string());
        let Some(row) = query.fetch_optional(&self.0).await? else { return Ok(None) };
        let lines = serde_json::from_str(row.try_get("lines")?).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Some(SavedCart { version: number(row.try_get("version")?)?, lines }))
    }

    /// Replaces the cart, or makes it. The version counts on, whichever nodes write at once.
    pub(crate) async fn replace(&self, (customer, kind, market): CartKey, lines: Vec<CartLine>) -> Result<SavedCart, sqlx::Error> {
        let text = serde_json::to_string(&lines).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let query = sqlx::query(REPLACE).bind(integer(customer)?).bind(kind.as_str()).bind(market.to_string()).bind(text);
        let version = number(query.fetch_one(&self.0).await?.try_get("version")?)?;
        Ok(SavedCart { version, lines })
    }
}

fn integer(number: u64) -> Result<i64, sqlx::Error> {
    i64::try_from(number).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn number(integer: i64) -> Result<u64, sqlx::Error> {
    u64::try_from(integer).map_err(|error| sqlx::Error::Decode(error.into()))
}

#[cfg(test)]
mod tests {
    use super::{super::model::NewCart, *};

    #[tokio::test]
    async fn versions_count_replacements_of_each_cart() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("carts.sqlite").display());
        let (one, other) = (Table::open(&url).await.unwrap(), Table::open(&url).await.unwrap());
        let key = |market: &str| (7, "saved".parse().unwrap(), market.parse().unwrap());
        let lines = |text: &str| serde_json::from_str::<NewCart>(text).unwrap().check().unwrap();
        assert_eq!(one.load(key("se")).await.unwrap(), None);

        let tea = lines(r#"{"lines":[{"sku":"tea","qty":2}]}"#);
        assert_eq!(one.replace(key("se"), tea.clone()).await.unwrap().version, 1);
        assert_eq!(other.replace(key("se"), vec![]).await.unwrap().version, 2);
        assert_eq!(one.replace(key("se"), tea.clone()).await.unwrap().version, 3);
        assert_eq!(other.load(key("se")).await.unwrap(), Some(SavedCart { version: 3, lines: tea.clone() }));
        assert_eq!(other.load(key("de")).await.unwrap(), None, "another market's cart is another cart");

        let writes = (0..8).map(|turn| {
            let (table, tea) = (if turn % 2 == 0 { one.clone() } else { other.clone() }, tea.clone());
            tokio::spawn(async move { table.replace(key("se"), tea).await.unwrap().version })
        });
        let mut versions = Vec::new();
        for write in writes.collect::<Vec<_>>() {
            versions.push(write.await.unwrap());
        }
        versions.sort_unstable();
        assert_eq!(versions, (4..=11).collect::<Vec<_>>(), "no two writers get the same version");
    }
}
