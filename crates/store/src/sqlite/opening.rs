//! Opening the file: whose it is, which schema it has, how its connections are set.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{SqliteStore, failure};
use crate::{Error, Result};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The mark of Hybridge's files; the first migration sets it.
const APPLICATION_ID: i64 = 0x4879_6272;

/// Readers are few: each is a thread, and one query takes well under a millisecond.
const MOST_READERS: u32 = 4;

/// Longest wait for a connection of the pool, while many lanes write at once.
const LONGEST_QUEUE: Duration = Duration::from_mins(1);

/// After a burst, the write-ahead log is cut back to this many bytes.
const LOG_SIZE_BYTES: &str = "67108864";

/// How a database is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqliteMode {
    /// To read and write; brings the schema up to date.
    ReadWrite {
        /// Whether to make the file where there is none.
        create: bool,
    },
    /// To read only, beside a program that writes.
    ReadOnly,
}

/// What tests set differently.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tuning {
    /// How long to wait for another program's lock.
    pub(super) patience: Duration,
    /// The most pages that the file may have.
    pub(super) most_pages: Option<u32>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { patience: Duration::from_secs(5), most_pages: None }
    }
}

/// Opens the database.
pub(super) async fn open(path: &Path, mode: SqliteMode, tuning: Tuning) -> Result<SqliteStore> {
    let about_path = |error: Failure| error.about(path);
    let (options, found) = inspected(path, mode, tuning).await.map_err(about_path)?;
    let newest = newest_version();
    match found {
        Found::Foreign => return Err(Error::Foreign { path: path.display().to_string() }),
        Found::Version(version) if version > newest => {
            return Err(Error::NewerSchema { found: version, known: newest });
        }
        Found::Version(version) if version < newest && mode == SqliteMode::ReadOnly => {
            return Err(Error::OlderSchema { found: version, known: newest });
        }
        Found::Version(_) => {}
    }
    let readers =
        pool(MOST_READERS).connect_lazy_with(options.clone().read_only(true).create_if_missing(false));
    if mode == SqliteMode::ReadOnly {
        return Ok(SqliteStore { writer: readers.clone(), readers });
    }
    let options = options.journal_mode(SqliteJournalMode::Wal).pragma("journal_size_limit", LOG_SIZE_BYTES);
    let writer = connected(options, tuning.patience).await.map_err(Failure::Driver).map_err(about_path)?;
    // One transaction round all migrations: an interrupted upgrade leaves the old schema whole, and of two
    // programs that start at once, the second waits.
    let mut transaction =
        writer.begin_with("BEGIN IMMEDIATE").await.map_err(Failure::Driver).map_err(about_path)?;
    MIGRATIONS.run(&mut *transaction).await?;
    // A file without write permission is quietly opened for reading, and even `BEGIN IMMEDIATE` succeeds on
    // it. This statement changes nothing, but has to be allowed to.
    sqlx::query("DELETE FROM fact WHERE FALSE").execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(SqliteStore { writer, readers })
}

/// The connection that writes. SQLite does not wait for a lock where it changes the journal to a write-ahead log, so
/// of two programs that start at once on a new file one is turned away at once; it waits here.
async fn connected(options: SqliteConnectOptions, patience: Duration) -> sqlx::Result<sqlx::SqlitePool> {
    const PAUSE: Duration = Duration::from_millis(20);
    let mut waited = Duration::ZERO;
    loop {
        match pool(1).connect_with(options.clone()).await {
            Err(error) if failure::is_locked(&error) && waited < patience => {
                tokio::time::sleep(PAUSE).await;
                waited += PAUSE;
            }
            outcome => return outcome,
        }
    }
}

/// What kind of file it is.
enum Found {
    /// Another program's database.
    Foreign,
    /// Ours; 0 for an empty file.
    Version(i64),
}

/// A failure that does not know the path yet.
enum Failure {
    Missing(io::Error),
    Driver(sqlx::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Missing(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

impl Failure {
    fn about(self, path: &Path) -> Error {
        let detail = match self {
            Self::Missing(error) => error.to_string(),
            Self::Driver(error) if failure::is_cant_open(&error) => failure::words(&error),
            Self::Driver(error) => return error.into(),
        };
        Error::Open { path: path.display().to_string(), detail }
    }
}

/// Looks at the file before anything about it is changed: it may be another program's.
async fn inspected(
    path: &Path,
    mode: SqliteMode,
    tuning: Tuning,
) -> std::result::Result<(SqliteConnectOptions, Found), Failure> {
    // SQLite gives names like ":memory:" and "file:…" a meaning; an absolute path has none but its own.
    let path = std::path::absolute(path)?;
    if mode == (SqliteMode::ReadWrite { create: true }) {
        create(&path)?;
    }
    if !fs::metadata(&path)?.is_file() {
        return Err(io::Error::other("it is not a file").into());
    }
    let options = options(path, tuning).read_only(mode == SqliteMode::ReadOnly);
    let mut connection = options.connect().await?;
    let found = identify(&mut connection).await?;
    connection.close().await?;
    Ok((options, found))
}

/// Makes an empty file that only this account can read: the store holds senders, subjects and the
/// secrets of subscriptions. SQLite gives its log the same permissions.
fn create(path: &PathBuf) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

async fn identify(connection: &mut SqliteConnection) -> sqlx::Result<Found> {
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(Found::Version(0));
    }
    let application: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    if application != APPLICATION_ID {
        return Ok(Found::Foreign);
    }
    let version: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(connection).await?;
    Ok(Found::Version(version.unwrap_or(0)))
}

fn newest_version() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

fn options(path: PathBuf, tuning: Tuning) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(tuning.patience)
        .disable_statement_logging();
    match tuning.most_pages {
        Some(pages) => options.pragma("max_page_count", pages.to_string()),
        None => options,
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(LONGEST_QUEUE)
        // A file has no network to lose, so connections stay for ever and are not asked whether they live.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // Where SQLite itself undoes a transaction (disk full, I/O error), sqlx goes on counting it as open
        // and would refuse every later one: such a connection is thrown away. The ping makes sure that the
        // roll-back of a dropped transaction was tried first.
        .after_release(|connection, _| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
}
