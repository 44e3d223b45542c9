//! The driver's entry points.

use sqlx::{MySql, SqlStr};
use unstick_core::Error;

use super::error;
use crate::server::{Answer, Dialect, Statement};

impl Dialect for MySql {
    fn fetch(connection: &mut Self::Connection, statement: Statement<Self>) -> Answer<'_, Vec<Self::Row>> {
        Box::pin(statement.fetch_all(connection))
    }

    fn execute(connection: &mut Self::Connection, statement: Statement<Self>) -> Answer<'_, Self::QueryResult> {
        Box::pin(statement.execute(connection))
    }

    fn fetch_raw(connection: &mut Self::Connection, sql: SqlStr) -> Answer<'_, Vec<Self::Row>> {
        Box::pin(sqlx::raw_sql(sql).fetch_all(connection))
    }

    fn run_time(error: sqlx::Error) -> Error {
        error::run_time(&error)
    }

    fn survives(error: &sqlx::Error) -> bool {
        error::survives(error)
    }
}
