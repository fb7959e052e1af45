//! Reading the disk for a request, where it holds nobody up.

use super::problem::Problem;
use crate::gateway::cold::Lost;

/// Runs something that reads the disk on a thread that may wait.
///
/// # Errors
/// 503 when the tables cannot be read, 500 when the reader failed.
pub(super) async fn read<T: Send + 'static>(
    reading: impl FnOnce() -> Result<T, Lost> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(reading).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            tracing::error!(%error, "the tables cannot be read");
            Err(Problem::not_now("the tables cannot be read"))
        }
        Err(error) => {
            tracing::error!(%error, "a reader has failed");
            Err(Problem::internal())
        }
    }
}
