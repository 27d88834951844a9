//! The chain's faces over real sockets: who may ask, what is bounded, and what the views show.
//!
//! What programs for TRON see is checked by tronweb itself, in `test/interop/tests/tronweb.rs`.
#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use devchain::http::{Server, StartError};
use devchain::{Chain, Config, Node};
use serde_json::{Value, json};

const PAYEE: &str = "TUEZSdKsoDHQMeZwihtdoBiN46zxhGWYdH";

struct Running {
    server: Server,
    node: Node,
}

impl Running {
    fn start(solid_after_blocks: u32, origins: &[&str]) -> Self {
        let config = Config { solid_after_blocks, ..Config::default() };
        let chain = Chain::open(None, config, [7; 32], 1_700_000_000_000).unwrap();
        let (node, handle) = Node::start(chain).unwrap();
        let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let server = Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), &origins, handle);
        Self { server: server.unwrap(), node }
    }

    /// Sends a request with these header lines; gives the head of the answer, and its body.
    fn raw(&self, first: &str, lines: &[&str], body: &[u8]) -> (String, String) {
        let mut stream = TcpStream::connect(self.server.address()).unwrap();
        let mut head = format!("{first} HTTP/1.1\r\nconnection: close\r\n");
        if !lines.iter().any(|line| line.starts_with("host:")) {
            head += &format!("host: {}\r\n", self.server.address());
        }
        for line in lines {
            head += &format!("{line}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        // Whoever refuses a body need not read it.
        stream.write_all(body).ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_ascii_lowercase(), body.to_owned())
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        let (_, answer) = self.raw(&format!("POST {path}"), &[], body.to_string().as_bytes());
        serde_json::from_str(&answer).unwrap()
    }

    fn get(&self, path: &str) -> Value {
        let (_, answer) = self.raw(&format!("GET {path}"), &[], b"");
        serde_json::from_str(&answer).unwrap()
    }

    fn stop(self) {
        self.server.stop();
        self.node.stop().unwrap();
    }
}

#[test]
fn pages_of_others_are_refused_and_named_ones_get_what_browsers_ask_for() {
    let chain = Running::start(0, &["http://localhost:3000"]);
    let status = |lines: &[&str]| chain.raw("POST /dev/status", lines, b"").0;
    assert!(status(&[]).starts_with("http/1.1 200"));
    assert!(status(&["host: evil.example"]).starts_with("http/1.1 403"));
    assert!(status(&["origin: https://evil.example"]).starts_with("http/1.1 403"));
    let named = status(&["origin: http://localhost:3000"]);
    assert!(named.starts_with("http/1.1 200"));
    assert!(named.contains("access-control-allow-origin: http://localhost:3000"));
    let asks = ["origin: http://localhost:3000", "access-control-request-method: POST"];
    let (asked, _) = chain.raw("OPTIONS /wallet/getnowblock", &asks, b"");
    assert!(asked.starts_with("http/1.1 204"), "{asked}");
    assert!(asked.contains("access-control-allow-methods: get, post"));
    let (page, _) = chain.raw("GET /", &[], b"");
    assert!(page.contains("content-security-policy: default-src 'none'"));
    assert!(!page.contains("access-control-allow-origin"));
    chain.stop();
}

#[test]
fn an_origin_that_no_page_has_is_no_way_to_start() {
    let chain = Chain::open(None, Config::default(), [7; 32], 1_700_000_000_000).unwrap();
    let (node, handle) = Node::start(chain).unwrap();
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let refused = Server::start(listen, &["localhost".to_owned()], handle);
    assert!(matches!(refused, Err(StartError::Origin(_))));
    node.stop().unwrap();
}

#[test]
fn a_body_beyond_the_bound_is_refused() {
    let chain = Running::start(0, &[]);
    let body = vec![b' '; 4 * 1024 * 1024 + 1];
    let (head, _) = chain.raw("POST /wallet/broadcasthex", &[], &body);
    assert!(head.starts_with("http/1.1 413"), "{head}");
    let (head, _) = chain.raw("POST /wallet/getnowblock", &[], &body[..4 * 1024 * 1024]);
    assert!(head.starts_with("http/1.1 200"), "{head}");
    chain.stop();
}

#[test]
fn what_is_not_final_is_not_in_the_solid_view_and_can_be_rewound() {
    let chain = Running::start(2, &[]);
    let given = chain.post("/dev/faucet", &json!({ "address": PAYEE, "amount": "5000000" }));
    let id = given["txid"].as_str().unwrap().to_owned();
    let ask = json!({ "address": PAYEE, "visible": true });
    assert_eq!(chain.post("/wallet/getaccount", &ask)["balance"], 5_000_000);
    assert_eq!(chain.post("/walletsolidity/getaccount", &ask), json!({}));
    let info = |face: &str| chain.get(&format!("/{face}/gettransactioninfobyid?value={id}"));
    assert_eq!(info("wallet")["id"], id);
    assert_eq!(info("walletsolidity"), json!({}));
    let events =
        |query: &str| chain.get(&format!("/v1/transactions/{id}/events{query}"))["data"].clone();
    assert_eq!(events(""), json!([]), "a transfer of TRX is no event");

    chain.post("/dev/rewind", &json!({ "blocks": 1 }));
    assert_eq!(chain.post("/wallet/getaccount", &ask), json!({}));
    assert_eq!(info("wallet"), json!({}));

    let given =
        chain.post("/dev/faucet", &json!({ "address": PAYEE, "coin": "btt", "amount": "7" }));
    let id = given["txid"].as_str().unwrap().to_owned();
    let told = chain.get(&format!("/v1/transactions/{id}/events"))["data"][0].clone();
    assert_eq!(told["result"]["value"], "7");
    assert_eq!(told["_unconfirmed"], true);
    let confirmed = chain.get(&format!("/v1/transactions/{id}/events?only_confirmed=true"));
    assert_eq!(confirmed["data"], json!([]));
    chain.post("/dev/mine", &json!({ "blocks": 2 }));
    let told = chain.get(&format!("/v1/transactions/{id}/events?only_confirmed=true"));
    assert_eq!(told["data"][0]["result"]["value"], "7");
    let too_far = chain.post("/dev/rewind", &json!({ "blocks": 3 }));
    assert!(too_far["error"].as_str().unwrap().contains("cannot rewind 3 blocks"), "{too_far}");
    chain.stop();
}

#[test]
fn what_changes_something_cannot_be_asked_for_by_a_link() {
    let chain = Running::start(0, &[]);
    let (head, _) = chain.raw(&format!("GET /dev/faucet?address={PAYEE}"), &[], b"");
    assert!(head.starts_with("http/1.1 404"), "{head}");
    let (head, _) = chain.raw("GET /dev/mine", &[], b"");
    assert!(head.starts_with("http/1.1 404"), "{head}");
    assert_eq!(chain.get("/dev/status")["pending"], 0);
    chain.stop();
}

#[test]
fn calls_of_ethereum_come_alone_or_in_batches() {
    let chain = Running::start(0, &[]);
    let call = |id: u32, method: &str| json!({ "jsonrpc": "2.0", "id": id, "method": method });
    let genesis = chain.get("/wallet/getblockbynum?num=0")["blockID"].as_str().unwrap().to_owned();
    let batch = json!([call(1, "eth_chainId"), call(2, "eth_nonsense"), call(3, "net_version")]);
    let answers = chain.post("/jsonrpc", &batch);
    let chain_id = u32::from_str_radix(genesis.get(56..).unwrap(), 16).unwrap();
    assert_eq!(answers[0]["result"], format!("0x{chain_id:x}"));
    assert_eq!(answers[1]["error"]["code"], -32601);
    assert_eq!(answers[2]["id"], 3);
    let many: Vec<Value> = (0..101).map(|id| call(id, "eth_chainId")).collect();
    assert_eq!(chain.post("/jsonrpc", &json!(many))["error"]["code"], -32600);
    let (_, not_json) = chain.raw("POST /jsonrpc", &[], b"{");
    assert!(not_json.contains("-32700"));
    let logs = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_getLogs",
        "params": [{ "fromBlock": "0x5", "toBlock": "0x4" }] });
    assert_eq!(
        chain.post("/jsonrpc", &logs)["error"]["message"],
        "please verify: fromBlock <= toBlock"
    );
    chain.stop();
}

#[test]
fn a_server_stops_while_others_keep_their_connections() {
    let chain = Running::start(0, &[]);
    let mut idle = TcpStream::connect(chain.server.address()).unwrap();
    idle.write_all(b"GET /dev/status HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 15];
    idle.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    chain.stop();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).unwrap();
}

#[test]
fn questions_with_the_largest_numbers_are_answered() {
    let chain = Running::start(0, &[]);
    for fingerprint in ["7ffffffffff-fffff", "ffffffffffffffff-0", "80000000000-0", "0-ffffffff"] {
        for order in ["block_timestamp,asc", "block_timestamp,desc"] {
            for path in ["blocks/latest/events", &format!("accounts/{PAYEE}/transactions")] {
                let (head, _) = chain.raw(
                    &format!("GET /v1/{path}?fingerprint={fingerprint}&order_by={order}"),
                    &[],
                    b"",
                );
                assert!(head.starts_with("http/1.1 "), "{head}");
            }
        }
    }
    assert_eq!(chain.get("/dev/status")["pending"], 0, "it still answers");
    let skipped = chain.post("/dev/skip-time", &json!({ "ms": i64::MAX }));
    assert!(skipped["error"].as_str().unwrap().contains("at most"), "{skipped}");
    chain.post("/dev/skip-time", &json!({ "ms": 0 }));
    chain.post("/dev/faucet", &json!({ "address": PAYEE }));
    chain.stop();
}

#[test]
fn the_solid_face_of_ethereum_ends_at_the_newest_final_block() {
    let chain = Running::start(2, &[]);
    chain.post("/dev/mine", &json!({ "blocks": 3 }));
    chain.post("/dev/faucet", &json!({ "address": PAYEE, "coin": "btt", "amount": "7" }));
    let ask = |path: &str, method: &str, params: Value| {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        chain.post(path, &call)
    };
    let (head, solid) = ("/jsonrpc", "/walletsolidity/jsonrpc");
    let newest = ask(solid, "eth_blockNumber", json!([]))["result"].clone();
    let latest = ask(solid, "eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(latest["result"]["number"], newest);
    let last = ask(head, "eth_blockNumber", json!([]))["result"].clone();
    assert_ne!(last, newest);
    let seen =
        |path: &str| ask(path, "eth_getBlockByNumber", json!([last, true]))["result"].clone();
    assert_eq!(seen(head)["number"], last);
    assert_eq!(seen(solid), Value::Null);
    let logs = |path: &str| {
        let filter = json!([{ "fromBlock": "0x2", "toBlock": "latest" }]);
        ask(path, "eth_getLogs", filter)["result"].as_array().unwrap().len()
    };
    assert_eq!((logs(head), logs(solid)), (1, 0));
    let backwards = json!([{ "fromBlock": "latest", "toBlock": "0x1" }]);
    let refused = ask(head, "eth_getLogs", backwards);
    assert_eq!(refused["error"]["message"], "please verify: fromBlock <= toBlock");
    chain.stop();
}

#[test]
fn an_origin_is_known_with_or_without_its_slash() {
    let chain = Running::start(0, &["http://localhost:3000/"]);
    let (head, _) = chain.raw("GET /dev/status", &["origin: http://localhost:3000"], b"");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    chain.stop();
}
