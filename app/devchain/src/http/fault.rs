//! What goes wrong with a call, in the shape that a full node gives it.

use serde_json::{Value, json};

use super::proto_json::{JsonError, Malformed};
use crate::refusal::ChainError;

/// Why a call has no answer.
///
/// A full node answers all of these with status 200 and `{"Error": "class X : message"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    class: &'static str,
    message: String,
}

impl Fault {
    /// The transaction that is asked for could not be valid.
    pub(super) fn contract(message: impl Into<String>) -> Self {
        Self { class: "org.tron.core.exception.ContractValidateException", message: message.into() }
    }

    /// A parameter that is missing.
    pub(super) fn parameter(message: impl Into<String>) -> Self {
        Self { class: "java.security.InvalidParameterException", message: message.into() }
    }

    /// A parameter that can't be meant.
    pub(super) fn argument(message: impl Into<String>) -> Self {
        Self { class: "java.lang.IllegalArgumentException", message: message.into() }
    }

    /// A body that is no JSON object.
    pub(super) fn json(message: impl Into<String>) -> Self {
        Self { class: "com.alibaba.fastjson.JSONException", message: message.into() }
    }

    /// A call that the machine could not end.
    pub(super) fn execution(class: &'static str, message: impl Into<String>) -> Self {
        Self { class, message: message.into() }
    }

    /// The words after the class.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The words that replies of calls have in their `result`.
    pub(super) fn told(&self) -> String {
        format!("class {} : {}", self.class, self.message)
    }

    /// Whether it is a contract that could not be valid.
    pub(super) fn is_contract(&self) -> bool {
        self.class.ends_with("ContractValidateException")
    }

    /// The answer.
    pub(super) fn to_json(&self) -> Value {
        json!({ "Error": self.told() })
    }
}

impl From<JsonError> for Fault {
    fn from(error: JsonError) -> Self {
        Self {
            class: "org.tron.core.services.http.JsonFormat$ParseException",
            message: error.to_string(),
        }
    }
}

impl From<Malformed> for Fault {
    fn from(error: Malformed) -> Self {
        Self {
            class: "com.google.protobuf.InvalidProtocolBufferException",
            message: error.to_string(),
        }
    }
}

impl From<ChainError> for Fault {
    fn from(error: ChainError) -> Self {
        Self { class: "java.lang.RuntimeException", message: error.to_string() }
    }
}
