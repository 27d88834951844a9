//! What a router says of itself by UPnP, and how it is asked to map a port.
//!
//! Source: UPnP Device Architecture 1.1, sections 2 and 3; `WANIPConnection:1` and `:2`,
//! `WANPPPConnection:1` (the Internet Gateway Device). Routers write bad XML: names are compared without
//! their prefix, and what was read before a fault counts. XML has neither entities of its own nor depth
//! here: it is read as a stream of elements, and of those only a handful matters.

use std::net::{IpAddr, Ipv4Addr};

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::nat_pmp::Protocol;
use crate::printable;

/// Longest description or answer that is looked at, in bytes. Real ones have 2 to 40 KiB.
pub const XML_BYTES_MAX: u32 = 128 * 1024;

/// Services looked at in a description; real ones have about ten.
const SERVICES_MAX: usize = 64;

/// Longest text of an element that is kept, in bytes: a URL.
const TEXT_BYTES_MAX: usize = 1024;

/// Characters kept of what a router says of a fault.
const WORDS_CHARS_MAX: usize = 100;

/// A service that maps ports; the better one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// `WANIPConnection:2`.
    Ip2,
    /// `WANIPConnection:1`.
    Ip1,
    /// `WANPPPConnection:1`, of routers that dial.
    Ppp1,
}

impl Service {
    /// Its name.
    pub fn urn(self) -> &'static str {
        match self {
            Self::Ip2 => "urn:schemas-upnp-org:service:WANIPConnection:2",
            Self::Ip1 => "urn:schemas-upnp-org:service:WANIPConnection:1",
            Self::Ppp1 => "urn:schemas-upnp-org:service:WANPPPConnection:1",
        }
    }
}

/// What a router says of itself, as far as ports are concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Where relative URLs start, if not where the description is.
    pub base_url: Option<String>,
    /// The best service, and the URL to speak to it, which may be relative.
    pub control: Option<(Service, String)>,
}

/// Reads a description.
pub fn decode_description(xml: &[u8]) -> Description {
    let mut description = Description::default();
    let (mut service, mut control, mut services) = (None, None, 0_usize);
    read(xml, |element, text| {
        match element {
            "URLBase" => description.base_url = Some(text.to_owned()).filter(|url| !url.is_empty()),
            "serviceType" => {
                let all = [Service::Ip2, Service::Ip1, Service::Ppp1];
                service = all.into_iter().find(|service| service.urn() == text);
            }
            "controlURL" => control = Some(text.to_owned()),
            "service" => {
                services = services.saturating_add(1);
                let found = service.take().zip(control.take());
                let best = description.control.as_ref().map(|(service, _)| *service);
                if found.as_ref().is_some_and(|(new, _)| best.is_none_or(|best| *new < best)) {
                    description.control = found;
                }
            }
            _ => {}
        }
        services < SERVICES_MAX
    });
    description
}

/// Something asked of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Map a port.
    Add {
        /// Of what.
        protocol: Protocol,
        /// The router's port.
        external: u16,
        /// Our port.
        internal: u16,
        /// Our address.
        client: Ipv4Addr,
        /// For how many seconds; 0 is for ever.
        lease_s: u32,
    },
    /// End a mapping.
    Delete {
        /// Of what.
        protocol: Protocol,
        /// The router's port.
        external: u16,
    },
    /// Tell the external address.
    ExternalAddress,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Add { .. } => "AddPortMapping",
            Self::Delete { .. } => "DeletePortMapping",
            Self::ExternalAddress => "GetExternalIPAddress",
        }
    }

    /// The value of the field `SOAPAction`.
    pub fn soap_action(self, service: Service) -> String {
        format!("\"{}#{}\"", service.urn(), self.name())
    }

    /// The body of the POST, which is XML. Nothing in it comes from a stranger.
    pub fn encode(self, service: Service) -> Vec<u8> {
        let of = |protocol| match protocol {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        };
        let arguments = match self {
            Self::Add { protocol, external, internal, client, lease_s } => format!(
                "<NewRemoteHost></NewRemoteHost><NewExternalPort>{external}</NewExternalPort>\
                 <NewProtocol>{}</NewProtocol><NewInternalPort>{internal}</NewInternalPort>\
                 <NewInternalClient>{client}</NewInternalClient><NewEnabled>1</NewEnabled>\
                 <NewPortMappingDescription>shoal</NewPortMappingDescription>\
                 <NewLeaseDuration>{lease_s}</NewLeaseDuration>",
                of(protocol)
            ),
            Self::Delete { protocol, external } => format!(
                "<NewRemoteHost></NewRemoteHost><NewExternalPort>{external}</NewExternalPort>\
                 <NewProtocol>{}</NewProtocol>",
                of(protocol)
            ),
            Self::ExternalAddress => String::new(),
        };
        let (name, urn) = (self.name(), service.urn());
        format!(
            "<?xml version=\"1.0\"?>\r\n<s:Envelope \
             xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>\
             <u:{name} xmlns:u=\"{urn}\">{arguments}</u:{name}></s:Body></s:Envelope>\r\n"
        )
        .into_bytes()
    }
}

/// What an answer says besides that it is well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// To [`Action::ExternalAddress`], if it was one.
    pub external_address: Option<IpAddr>,
    /// Why the action failed.
    pub fault: Option<Fault>,
}

/// Why an action failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The code, as in the tables of `WANIPConnection`; 0 if it is none.
    pub code: u16,
    /// What the router says, printable.
    pub words: String,
}

impl Fault {
    /// The port is mapped for somebody else.
    pub const CONFLICT: u16 = 718;
    /// The router's port must be ours.
    pub const SAME_PORT_REQUIRED: u16 = 724;
    /// A mapping can only be for ever.
    pub const ONLY_PERMANENT_LEASES: u16 = 725;
}

/// Reads the answer to an action; that of a failed one has the status 500.
pub fn decode_answer(xml: &[u8]) -> Answer {
    let mut answer = Answer::default();
    read(xml, |element, text| {
        match element {
            "NewExternalIPAddress" => answer.external_address = text.parse().ok(),
            "errorCode" => {
                answer.fault.get_or_insert_default().code = text.parse().unwrap_or_default();
            }
            "errorDescription" => {
                answer.fault.get_or_insert_default().words =
                    printable(text.as_bytes(), WORDS_CHARS_MAX);
            }
            "Fault" => drop(answer.fault.get_or_insert_default()),
            _ => {}
        }
        true
    });
    answer
}

/// Gives `take` the name and the text of each element at its end, as long as it returns true. The text
/// is that after the last tag before, which for elements without others in them is all.
fn read(xml: &[u8], mut take: impl FnMut(&str, &str) -> bool) {
    let xml = xml.get(..XML_BYTES_MAX as usize).unwrap_or(xml);
    let xml = String::from_utf8_lossy(xml);
    let mut reader = Reader::from_str(&xml);
    reader.config_mut().check_end_names = false;
    let mut text = String::new();
    let add = |text: &mut String, more: &str| {
        if text.len().saturating_add(more.len()) <= TEXT_BYTES_MAX {
            text.push_str(more);
        }
    };
    loop {
        match reader.read_event() {
            Ok(Event::Start(_) | Event::Empty(_)) => text.clear(),
            Ok(Event::Text(more)) => add(&mut text, &more.xml10_content()),
            Ok(Event::CData(more)) => add(&mut text, &more.xml10_content()),
            Ok(Event::GeneralRef(name)) => add(&mut text, entity(&name.xml10_content())),
            Ok(Event::End(tag)) => {
                if !take(tag.local_name().into_inner(), text.trim_ascii()) {
                    return;
                }
                text.clear();
            }
            Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => {}
            Ok(Event::Eof) | Err(_) => return,
        }
    }
}

/// The entities that XML itself has; URLs use the first.
fn entity(name: &str) -> &'static str {
    match name {
        "amp" | "#38" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
