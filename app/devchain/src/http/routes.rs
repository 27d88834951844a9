//! Which path is answered by what.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::params::Params;
use super::{
    accounts, blocks, builders, contracts, dev, events, guard, json_rpc, parameters, submit,
    transactions,
};
use crate::chain::Chain;
use crate::explorer;
use crate::node::Handle;
use crate::state::View;

/// Largest body, in bytes, as the real node has it: a transaction of 500 KiB takes 2 MiB of JSON.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What every request needs.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) handle: Handle,
    /// Pages that may use this server beside its own.
    pub(super) origins: Vec<HeaderValue>,
}

/// A question to the chain: its time, and what was given.
type Question = fn(&mut Chain, u64, &Params) -> Result<Value, Fault>;

type Fields = BTreeMap<String, String>;

pub(super) fn router(shared: Shared) -> Router {
    let shared = Arc::new(shared);
    Router::new()
        .route("/wallet/{name}", get(asked).post(asked))
        .route("/walletsolidity/{name}", get(asked).post(asked))
        .route("/v1/{*path}", get(history))
        .route("/jsonrpc", post(rpc))
        .route("/walletsolidity/jsonrpc", post(rpc))
        .route("/dev/{name}", get(developer).post(developer))
        .route("/healthcheck", get(|| async { "ok" }))
        .route("/", get(|| async { explorer::page() }))
        .route("/explorer.css", get(|| async { explorer::style() }))
        .route("/explorer.js", get(|| async { explorer::script() }))
        .route("/favicon.svg", get(|| async { explorer::icon() }))
        .fallback(nothing)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(&shared), guarded))
        .with_state(shared)
}

/// Refuses strangers, and tells browsers of pages that are none.
async fn guarded(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if let Err(stranger) = guard::judge(request.method(), request.uri(), headers, &shared.origins) {
        let words = json!({ "Error": stranger.message() });
        return answer(StatusCode::FORBIDDEN, &words);
    }
    let allowed = guard::allowed(headers, &shared.origins).cloned();
    let asks_first = request.method() == Method::OPTIONS;
    let mut response = match (asks_first, &allowed) {
        (true, Some(_)) => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        if asks_first {
            let any = HeaderValue::from_static("content-type, tron-pro-api-key");
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, any);
            let methods = HeaderValue::from_static("GET, POST");
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn answer(status: StatusCode, value: &Value) -> Response {
    let kind = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, kind)], value.to_string()).into_response()
}

fn answered(result: Result<Value, Fault>) -> Response {
    answer(StatusCode::OK, &result.unwrap_or_else(|fault| fault.to_json()))
}

async fn nothing(uri: Uri) -> Response {
    let words = json!({ "Error": format!("nothing is at {}", uri.path()) });
    answer(StatusCode::NOT_FOUND, &words)
}

/// The parameters of a request, wherever they stand.
fn given(method: &Method, query: Fields, body: &[u8], view: View) -> Result<Params, Fault> {
    if *method == Method::POST && !body.is_empty() {
        return Params::of_body(body, view);
    }
    let fields: Map<String, Value> =
        query.into_iter().map(|(name, value)| (name, value.into())).collect();
    Ok(Params::new(fields, view))
}

/// `/wallet/…` and `/walletsolidity/…`.
async fn asked(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    method: Method,
    uri: Uri,
    Query(query): Query<Fields>,
    body: Bytes,
) -> Response {
    let solid = uri.path().starts_with("/walletsolidity/");
    let view = if solid { View::Solid } else { View::Head };
    let params = match given(&method, query, &body, view) {
        Ok(params) => params,
        Err(fault) => return answered(Err(fault)),
    };
    drop(body);
    let handle = &shared.handle;
    match (name.as_str(), solid) {
        ("broadcasttransaction", false) => return answered(submit::json(handle, &params).await),
        ("broadcasthex", false) => return answered(submit::hexadecimal(handle, &params).await),
        ("getsignweight", false) => return answered(submit::approved(&params, true)),
        ("getapprovedlist", false) => return answered(submit::approved(&params, false)),
        _ => {}
    }
    if let Some(kind) = unsupported(&name).filter(|_| !solid) {
        let build = move |chain: &mut Chain, now| builders::plain(chain, now, &params, kind);
        return asked_of_chain(handle, build).await;
    }
    let question = readers(&name).or_else(|| if solid { None } else { writers(&name) });
    let Some(question) = question else { return nothing(uri).await };
    asked_of_chain(handle, move |chain, now| question(chain, now, &params)).await
}

async fn asked_of_chain(
    handle: &Handle,
    question: impl FnOnce(&mut Chain, u64) -> Result<Value, Fault> + Send + 'static,
) -> Response {
    let result = handle.ask(question).await;
    answered(result.unwrap_or_else(|stopped| Err(stopped.into())))
}

/// What `/wallet` and `/walletsolidity` both answer.
fn readers(name: &str) -> Option<Question> {
    let question: Question = match name {
        "getaccount" => accounts::get,
        "getblock" => blocks::get,
        "getnowblock" => blocks::now,
        "getblockbynum" => blocks::by_number,
        "getblockbyid" => blocks::by_id,
        "getblockbylimitnext" => blocks::range,
        "getblockbylatestnum" => blocks::latest,
        "gettransactioncountbyblocknum" => blocks::count,
        "gettransactionbyid" => transactions::by_id,
        "gettransactioninfobyid" => transactions::info_by_id,
        "gettransactioninfobyblocknum" => transactions::infos_of_block,
        "triggerconstantcontract" => contracts::constant,
        "estimateenergy" => contracts::estimate,
        "listwitnesses" => parameters::witnesses,
        "getenergyprices" => parameters::energy_prices,
        "getbandwidthprices" => parameters::bandwidth_prices,
        "getburntrx" => parameters::burned,
        "getnodeinfo" => parameters::node,
        "getassetissuelist"
        | "getpaginatedassetissuelist"
        | "getassetissuelistbyname"
        | "getassetissuebyname"
        | "getassetissuebyid"
        | "getassetissuebyaccount"
        | "listexchanges"
        | "getexchangebyid"
        | "getdelegatedresource"
        | "getdelegatedresourcev2"
        | "getdelegatedresourceaccountindex"
        | "getdelegatedresourceaccountindexv2"
        | "getcandelegatedmaxsize"
        | "getavailableunfreezecount"
        | "getcanwithdrawunfreezeamount"
        | "getreward"
        | "getbrokerage" => parameters::nothing,
        _ => return None,
    };
    Some(question)
}

/// What only `/wallet` answers.
fn writers(name: &str) -> Option<Question> {
    let question: Question = match name {
        "getcontract" => contracts::get,
        "getcontractinfo" => contracts::info,
        "triggersmartcontract" => contracts::trigger,
        "deploycontract" => builders::deploy,
        "createtransaction" => builders::transfer,
        "getaccountresource" => accounts::resource,
        "getaccountnet" => accounts::bandwidth,
        "validateaddress" => accounts::validate,
        "gettransactionfrompending" => transactions::pending,
        "gettransactionlistfrompending" => transactions::pending_ids,
        "getpendingsize" => transactions::pending_size,
        "getchainparameters" => parameters::all,
        "getmemofee" => parameters::memo_prices,
        "getnextmaintenancetime" => parameters::maintenance,
        "listnodes"
        | "listproposals"
        | "getproposalbyid"
        | "getpaginatedproposallist"
        | "getpaginatedexchangelist" => parameters::nothing,
        _ => return None,
    };
    Some(question)
}

/// What can be written down, and is then refused by this chain.
fn unsupported(name: &str) -> Option<&'static str> {
    Some(match name {
        "createaccount" => "AccountCreateContract",
        "updateaccount" => "AccountUpdateContract",
        "transferasset" => "TransferAssetContract",
        "freezebalance" => "FreezeBalanceContract",
        "unfreezebalance" => "UnfreezeBalanceContract",
        "freezebalancev2" => "FreezeBalanceV2Contract",
        "unfreezebalancev2" => "UnfreezeBalanceV2Contract",
        "withdrawexpireunfreeze" => "WithdrawExpireUnfreezeContract",
        "cancelallunfreezev2" => "CancelAllUnfreezeV2Contract",
        "delegateresource" => "DelegateResourceContract",
        "undelegateresource" => "UnDelegateResourceContract",
        "withdrawbalance" => "WithdrawBalanceContract",
        "votewitnessaccount" => "VoteWitnessContract",
        "updatesetting" => "UpdateSettingContract",
        "updateenergylimit" => "UpdateEnergyLimitContract",
        "clearabi" => "ClearABIContract",
        _ => return None,
    })
}

/// `/v1/…`.
async fn history(
    State(shared): State<Arc<Shared>>,
    Path(path): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<Fields>,
) -> Response {
    let of = match events::of_path(&path) {
        Some(Ok(of)) => of,
        Some(Err(fault)) => return bad_request(&fault),
        None => return nothing(uri).await,
    };
    let mut fields: Map<String, Value> =
        query.into_iter().map(|(name, value)| (name, value.into())).collect();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    fields.insert("path".into(), format!("http://{host}{}", uri.path()).into());
    let params = Params::new(fields, View::Head);
    let ask = move |chain: &mut Chain, now| events::answer(chain, now, of, &params);
    match shared.handle.ask(ask).await {
        Ok(Ok(value)) => answer(StatusCode::OK, &value),
        Ok(Err(fault)) => bad_request(&fault),
        Err(stopped) => bad_request(&stopped.into()),
    }
}

fn bad_request(fault: &Fault) -> Response {
    let words = json!({ "success": false, "error": fault.message(), "statusCode": 400 });
    answer(StatusCode::BAD_REQUEST, &words)
}

/// `/jsonrpc`.
async fn rpc(State(shared): State<Arc<Shared>>, uri: Uri, body: Bytes) -> Response {
    let solid = uri.path().starts_with("/walletsolidity/");
    let view = if solid { View::Solid } else { View::Head };
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return answer(StatusCode::OK, &json_rpc::not_json());
    };
    let Value::Array(batch) = request else { return rpc_one(&shared, request, view).await };
    if batch.is_empty() || batch.len() > json_rpc::BATCH_MAX {
        return answer(StatusCode::OK, &json_rpc::batch_of_wrong_size());
    }
    // One by one: others may ask in between.
    let mut answers = Vec::with_capacity(batch.len());
    for request in batch {
        let ask = move |chain: &mut Chain, _now| json_rpc::one(chain, &request, view);
        match shared.handle.ask(ask).await {
            Ok(value) => answers.push(value),
            Err(stopped) => return answered(Err(stopped.into())),
        }
    }
    answer(StatusCode::OK, &answers.into())
}

async fn rpc_one(shared: &Shared, request: Value, view: View) -> Response {
    let ask = move |chain: &mut Chain, _now| Ok(json_rpc::one(chain, &request, view));
    asked_of_chain(&shared.handle, ask).await
}

/// `/dev/…`: what changes something only by POST, which no link can do.
async fn developer(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    method: Method,
    uri: Uri,
    Query(query): Query<Fields>,
    body: Bytes,
) -> Response {
    let question: Question = match (name.as_str(), &method) {
        ("status", _) => dev::status,
        ("faucet", &Method::POST) => dev::faucet,
        ("mine", &Method::POST) => dev::mine,
        ("rewind", &Method::POST) => dev::rewind,
        ("skip-time", &Method::POST) => dev::skip_time,
        _ => return nothing(uri).await,
    };
    let params = match given(&method, query, &body, View::Head) {
        Ok(params) => params,
        Err(fault) => return failed(&fault),
    };
    match shared.handle.handle(move |chain, now| question(chain, now, &params)).await {
        Ok(Ok(value)) => answer(StatusCode::OK, &value),
        Ok(Err(fault)) => failed(&fault),
        Err(stopped) => failed(&stopped.into()),
    }
}

fn failed(fault: &Fault) -> Response {
    answer(StatusCode::BAD_REQUEST, &json!({ "error": fault.message() }))
}
