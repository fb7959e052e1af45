//! Bodies, read within bounds of size and time.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};

use super::fault::Fault;

/// The whole body.
///
/// # Errors
/// 413 beyond [`BODY_OCTETS_MAX`], 408 when it does not come within `patience`, 400 when it breaks off.
pub(super) async fn whole(body: Body, patience: Duration) -> Result<Bytes, Fault> {
    // What is announced too large need not be read to be refused.
    if usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX) > BODY_OCTETS_MAX {
        return Err(Fault::too_large());
    }
    let reading = axum::body::to_bytes(body, BODY_OCTETS_MAX);
    let read = tokio::time::timeout(patience, reading).await.map_err(|_| Fault::too_slow())?;
    read.map_err(|error| {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            if error.is::<http_body_util::LengthLimitError>() {
                return Fault::too_large();
            }
            cause = error.source();
        }
        Fault::cut()
    })
}

/// Largest body: a full text, each unit of it written as `\uXXXX`, takes a fifth of it.
pub(super) const BODY_OCTETS_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn bodies_have_bounds() {
        let full = whole(Body::from(vec![b' '; BODY_OCTETS_MAX]), PATIENCE).await;
        assert_eq!(full.map(|octets| octets.len()), Ok(BODY_OCTETS_MAX));
        let announced = whole(Body::from(vec![b' '; BODY_OCTETS_MAX + 1]), PATIENCE).await;
        assert_eq!(announced, Err(Fault::too_large()));
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_has_the_same_bound() {
        let unknown = http_body_util::StreamBody::new(Endless);
        assert_eq!(whole(Body::new(unknown), PATIENCE).await, Err(Fault::too_large()));
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_given_up() {
        let never = http_body_util::StreamBody::new(Never);
        assert_eq!(whole(Body::new(never), PATIENCE).await, Err(Fault::too_slow()));
    }

    type Frame = Result<hyper::body::Frame<Bytes>, std::convert::Infallible>;

    struct Endless;

    impl futures_core::Stream for Endless {
        type Item = Frame;

        fn poll_next(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Frame>> {
            std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(&[b' '; 1_024])))))
        }
    }

    struct Never;

    impl futures_core::Stream for Never {
        type Item = Frame;

        fn poll_next(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Frame>> {
            std::task::Poll::Pending
        }
    }
}
