//! TLS over a stream of ours, trusting whom the machine trusts.
//!
//! Source: RFC 8446 by `rustls` with `ring`; the roots by `rustls-native-certs`, which honours
//! `SSL_CERT_FILE` and `SSL_CERT_DIR`. They are loaded at the first https exchange, on the service
//! thread: some ten milliseconds, once.

use std::sync::{Arc, Mutex, PoisonError};

use base::HttpError;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::with_causes;

/// The trust store and what it makes; empty until the first use.
#[derive(Default)]
pub(super) struct Tls {
    connector: Mutex<Option<TlsConnector>>,
}

impl Tls {
    /// Shakes hands with `host` over `stream` and checks that it is `host`.
    pub(super) async fn wrap(
        &self,
        host: &url::Host<String>,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, HttpError> {
        let name = match host {
            url::Host::Domain(name) => ServerName::try_from(name.clone())
                .map_err(|error| HttpError::Tls(format!("{name}: {error}")))?,
            url::Host::Ipv4(ip) => ServerName::IpAddress((*ip).into()),
            url::Host::Ipv6(ip) => ServerName::IpAddress((*ip).into()),
        };
        let connector = self.connector()?;
        connector.connect(name, stream).await.map_err(|error| HttpError::Tls(with_causes(&error)))
    }

    /// A failure is not kept: the certificates may be installed while we run.
    fn connector(&self) -> Result<TlsConnector, HttpError> {
        let mut connector = self.connector.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connector) = &*connector {
            return Ok(connector.clone());
        }
        let loaded = load()?;
        *connector = Some(loaded.clone());
        Ok(loaded)
    }
}

fn load() -> Result<TlsConnector, HttpError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Stores hold the odd certificate that no library of today accepts; the rest still count.
    let (_added, _ignored) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(HttpError::Tls(format!(
            "this machine has no root certificates{why}. hint: install the package \
             ca-certificates, or set SSL_CERT_FILE"
        )));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
