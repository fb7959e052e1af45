//! What holds whatever octets a peer sends: for fuzzing and for the replay of what it found.

use super::{
    ErrorAnswer, SendAnswer, SendRequest, StatusAnswer, TokenAnswer, TokenRequest, Vocabulary, keys, push,
};

/// Reads `octets` as every shape; what was read and is written again reads as the same.
///
/// # Panics
/// When it does not.
pub fn oracle(octets: &[u8]) {
    if let Ok(request) = SendRequest::read(octets) {
        assert_eq!(SendRequest::read(&request.write()).ok(), Some(request));
    }
    if let Ok(answer) = SendAnswer::read(octets) {
        assert_eq!(SendAnswer::read(&answer.write()).ok(), Some(answer));
    }
    if let Ok(answer) = StatusAnswer::read(octets) {
        for vocabulary in [Vocabulary::Short, Vocabulary::Long] {
            let again = StatusAnswer::read(&answer.write(vocabulary));
            assert!(again.is_ok(), "what we write cannot be read: {again:?}");
        }
    }
    for report in push::read(octets).unwrap_or_default() {
        assert_eq!(keys(&report), keys(&report.clone()));
    }
    let _ = TokenRequest::read(octets);
    let _ = TokenAnswer::read(octets);
    for status in [200, 400, 401, 429, 503] {
        let answer = ErrorAnswer::read(status, octets);
        assert!(answer.raw.len() <= 2048, "{} octets of a stranger are kept", answer.raw.len());
    }
}
