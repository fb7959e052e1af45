//! `/docs/problems`: every code that an error can have.

use std::fmt::Write;

use crate::http::problem::CODES;

/// The page.
pub(super) fn page() -> String {
    let mut rows = String::new();
    for (code, title) in CODES {
        // Writing to a `String` cannot fail.
        let _ = writeln!(rows, "<dt id=\"{code}\"><code>{code}</code></dt><dd>{title}</dd>");
    }
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Trunkline, problems</title></head>\n\
         <body><h1>Problems</h1>\n<p>Errors are problem details (RFC 9457). A program decides by <code>code</code>; \
         <code>detail</code> is for people, and <code>errors</code> names every fault of a request.</p>\n\
         <dl>\n{rows}</dl></body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_code_can_be_linked_to() {
        let page = super::page();
        assert!(
            page.contains("<dt id=\"rate_limit\">") && page.contains("<dt id=\"idempotency_key_reused\">")
        );
    }
}
