//! What a call to the full node's API is given: the query of a GET, or the JSON body of a POST.

use serde_json::{Map, Value};

use super::fault::Fault;
use super::proto_json::{Form, address_of, unhex, whole};
use crate::state::View;
use ledger::{Address, Sun, TxId};

/// The parameters of a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Params {
    /// By name; those of a query are all text.
    pub(super) fields: Map<String, Value>,
    /// How the answer is to look.
    pub(super) form: Form,
    /// As of when: `/wallet` or `/walletsolidity`.
    pub(super) view: View,
}

impl Params {
    pub(super) fn new(fields: Map<String, Value>, view: View) -> Self {
        let mut params = Self { fields, form: Form::default(), view };
        params.form =
            Form { visible: params.flag("visible"), int64_as_text: params.flag("int64_as_string") };
        params
    }

    /// Reads the body of a POST. An empty one has no parameters.
    pub(super) fn of_body(body: &[u8], view: View) -> Result<Self, Fault> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::new(Map::new(), view));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self::new(fields, view)),
            Ok(_) => Err(Fault::json("can not cast to JSONObject.")),
            Err(error) => Err(Fault::json(format!("syntax error, {error}"))),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// A text; empty if there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether something is asked for.
    pub(super) fn flag(&self, name: &str) -> bool {
        match self.get(name) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    /// A whole number; 0 if there is none.
    pub(super) fn int(&self, name: &str) -> Result<i64, Fault> {
        Ok(self.get(name).map_or(Ok(0), whole)?)
    }

    /// Bytes in hexadecimal digits; none if there are none.
    pub(super) fn bytes(&self, name: &str) -> Result<Vec<u8>, Fault> {
        Ok(unhex(self.text(name))?)
    }

    /// The bytes of an address, however many.
    pub(super) fn address_bytes(&self, name: &str) -> Result<Vec<u8>, Fault> {
        let text = self.text(name);
        Ok(if self.form.visible && !text.is_empty() { address_of(text)? } else { unhex(text)? })
    }

    /// An address; none if what is there is not one.
    pub(super) fn address(&self, name: &str) -> Result<Option<Address>, Fault> {
        Ok(address_in(&self.address_bytes(name)?))
    }

    /// A transaction's id; none if what is there is not one.
    pub(super) fn id(&self, name: &str) -> Result<Option<TxId>, Fault> {
        Ok(self.bytes(name)?.try_into().ok().map(TxId))
    }
}

/// The address that 21 bytes are.
pub(super) fn address_in(bytes: &[u8]) -> Option<Address> {
    Address::from_prefixed(bytes).ok()
}

/// An address as text, in the form that is asked for.
pub(super) fn shown(address: Address, form: Form) -> String {
    super::proto_json::address(&address.prefixed(), form)
}

/// An amount that TRON's 63 bits hold.
pub(super) fn sun(number: u64) -> Option<Sun> {
    (number <= i64::MAX.cast_unsigned()).then_some(Sun(number))
}
