//! The explorer: a page that shows blocks, transactions, accounts and contracts.
//!
//! Source: own. Three files without any resource from elsewhere, which ask the node's own API. The
//! content security policy lets nothing else run or load; whatever comes from the chain becomes text
//! nodes, never markup.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::{IntoResponse as _, Response};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The page.
pub(crate) fn page() -> Response {
    served("text/html; charset=utf-8", include_str!("explorer/explorer.html"))
}

/// How it looks.
pub(crate) fn style() -> Response {
    served("text/css; charset=utf-8", include_str!("explorer/explorer.css"))
}

/// What it does.
pub(crate) fn script() -> Response {
    served("text/javascript; charset=utf-8", include_str!("explorer/explorer.js"))
}

/// Its sign in a browser's tab.
pub(crate) fn icon() -> Response {
    served("image/svg+xml", include_str!("explorer/favicon.svg"))
}

fn served(kind: &'static str, content: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        // A newer program must not meet the script of an older one.
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, content).into_response()
}
