//! https with an authority of our own, made by the `openssl` command.
//!
//! Whom we trust is an environment variable, and those belong to a process: each test runs itself
//! again as a child with `SSL_CERT_FILE` set.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use base::HttpError;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::table::{Peer, Step};
use crate::{LOOPBACK, Real, SAYS_HI, listen, peers};

/// Set in the child: where the certificates are.
const CHILD: &str = "SHOAL_TEST_CERTIFICATES";

#[test]
fn https_trusts_whom_the_machine_trusts_and_nobody_else() {
    let test = "tls::https_trusts_whom_the_machine_trusts_and_nobody_else";
    let Some(folder) = in_child(test, "trusted.pem") else { return };
    let real = Real::start();
    let good = serve_tls(&folder, "good");
    let wrong_name = serve_tls(&folder, "wrong_name");
    let stranger = serve_tls(&folder, "stranger");
    let (plain, _heard) = listen(LOOPBACK, &SAYS_HI);

    for host in ["localhost", "127.0.0.1"] {
        let reply = real.get(&format!("https://{host}:{good}/")).expect(host);
        assert_eq!(reply.body, b"hi");
    }
    for (port, says) in
        [(wrong_name, "not valid for name"), (stranger, "UnknownIssuer"), (plain, "corrupt")]
    {
        match real.get(&format!("https://localhost:{port}/")) {
            Err(HttpError::Tls(why)) => assert!(why.contains(says), "{says}: {why}"),
            other => panic!("{says}: {other:?}"),
        }
    }
}

#[test]
fn https_without_any_root_certificate_says_what_to_install() {
    let test = "tls::https_without_any_root_certificate_says_what_to_install";
    let Some(folder) = in_child(test, "empty.pem") else { return };
    let real = Real::start();
    let good = serve_tls(&folder, "good");
    match real.get(&format!("https://localhost:{good}/")) {
        Err(HttpError::Tls(why)) => assert!(why.contains("ca-certificates"), "{why}"),
        other => panic!("{other:?}"),
    }
}

/// In the parent, makes the certificates, runs the test again with the given trust store, and
/// passes its verdict on. In the child, gives the folder.
fn in_child(test: &str, trust: &str) -> Option<PathBuf> {
    if let Some(folder) = env::var_os(CHILD) {
        return Some(folder.into());
    }
    let folder = env::temp_dir().join(format!("shoal-tls-{trust}-{}", std::process::id()));
    make_certificates(&folder);
    let output = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, &folder)
        .env("SSL_CERT_FILE", folder.join(trust))
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "the child failed:\n{said}");
    assert!(said.contains("1 passed"), "the child ran nothing:\n{said}");
    None
}

fn make_certificates(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("empty.pem"), "").unwrap();
    fs::write(folder.join("good.ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1").unwrap();
    fs::write(folder.join("wrong_name.ext"), "subjectAltName=DNS:else.example").unwrap();
    for authority in ["trusted", "untrusted"] {
        openssl(
            folder,
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
             -subj /CN={authority} -keyout {authority}.key -out {authority}.pem"
            ),
        );
    }
    for (leaf, authority, names) in [
        ("good", "trusted", "good"),
        ("wrong_name", "trusted", "wrong_name"),
        ("stranger", "untrusted", "good"),
    ] {
        openssl(
            folder,
            &format!(
                "req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
             -subj /CN={leaf} -keyout {leaf}.key -out {leaf}.csr"
            ),
        );
        openssl(
            folder,
            &format!(
                "x509 -req -days 2 -in {leaf}.csr -CA {authority}.pem -CAkey {authority}.key \
             -CAcreateserial -extfile {names}.ext -out {leaf}.pem"
            ),
        );
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .output()
        .expect("this test needs the command `openssl`: install the package openssl");
    assert!(output.status.success(), "openssl {arguments}: {output:?}");
}

/// Says hi over TLS with the named certificate; gives the port.
fn serve_tls(folder: &Path, leaf: &str) -> u16 {
    let certificate = CertificateDer::from_pem_file(folder.join(format!("{leaf}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{leaf}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let listener = peers::bind_alone(LOOPBACK);
    let port = listener.local_addr().unwrap().port();
    let (heard, _nobody) = channel();
    let Peer::Does(steps) = &SAYS_HI else { return port };
    let steps: &'static [Step] = steps;
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
            peers::play(&mut stream, steps, &heard);
        }
    });
    port
}
