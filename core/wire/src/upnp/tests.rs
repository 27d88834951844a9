use proptest::prelude::*;

use super::*;

/// A description in which each service has a type and a URL.
fn description(base: &str, services: &[(&str, &str)]) -> String {
    let list: String = services
        .iter()
        .map(|(kind, url)| {
            format!(
                "<service>\n<serviceType>urn:schemas-upnp-org:service:{kind}</serviceType>\
                 <serviceId>x</serviceId><SCPDURL>/scpd</SCPDURL><controlURL> {url} </controlURL>\
                 </service>\n"
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\"?>\n<root xmlns=\"urn:schemas-upnp-org:device-1-0\">{base}<device>\
         <deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>\
         <deviceList><device><serviceList>{list}</serviceList></device></deviceList></device></root>"
    )
}

#[test]
fn descriptions_by_table() {
    let base = "<URLBase>http://192.0.2.1:80</URLBase>";
    let l3 = ("Layer3Forwarding:1", "/l3");
    for (base, services, expected) in [
        ("", &[][..], None),
        ("", &[l3], None),
        ("", &[l3, ("WANIPConnection:1", "/ip")], Some((Service::Ip1, "/ip"))),
        (
            base,
            &[("WANPPPConnection:1", "/p?a=1&amp;b=2"), l3],
            Some((Service::Ppp1, "/p?a=1&b=2")),
        ),
        (
            "",
            &[
                ("WANPPPConnection:1", "/p"),
                ("WANIPConnection:2", "/2"),
                ("WANIPConnection:1", "/1"),
            ],
            Some((Service::Ip2, "/2")),
        ),
        (
            "",
            &[("WANIPConnection:1", "/a"), ("WANIPConnection:1", "/b")],
            Some((Service::Ip1, "/a")),
        ),
        ("", &[("WANIPConnection:9", "/a")], None),
    ] {
        let xml = description(base, services);
        let got = decode_description(xml.as_bytes());
        let control = expected.map(|(service, url)| (service, url.to_owned()));
        assert_eq!(got.control, control, "{xml}");
        assert_eq!(got.base_url.is_some(), !base.is_empty(), "{xml}");
    }
}

#[test]
fn what_was_read_before_a_fault_counts() {
    let whole = description("", &[("WANIPConnection:1", "/ip")]);
    let cut = whole.split("</serviceList>").next().unwrap();
    for broken in [cut.to_owned(), format!("{cut}</wrong><"), format!("\u{feff}{cut}&nbsp;<<>")] {
        assert!(decode_description(broken.as_bytes()).control.is_some(), "{broken}");
    }
}

#[test]
fn an_expansion_bomb_expands_to_nothing() {
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>\
                <root><URLBase>&b;</URLBase></root>";
    assert_eq!(decode_description(bomb.as_bytes()), Description::default());
}

#[test]
fn answers_by_table() {
    let fault = |code, words: &str| Some(Fault { code, words: words.into() });
    let envelope =
        |body: &str| format!("<s:Envelope xmlns:s=\"x\"><s:Body>{body}</s:Body></s:Envelope>");
    for (body, address, expected) in [
        ("<u:AddPortMappingResponse xmlns:u=\"y\"/>", None, None),
        (
            "<u:GetExternalIPAddressResponse><NewExternalIPAddress>203.0.113.5</NewExternalIPAddress>\
             </u:GetExternalIPAddressResponse>",
            Some("203.0.113.5"),
            None,
        ),
        ("<NewExternalIPAddress></NewExternalIPAddress>", None, None),
        (
            "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>\
             <UPnPError xmlns=\"z\"><errorCode>725</errorCode><errorDescription>Only\u{1b}[1m \
             PermanentLeasesSupported</errorDescription></UPnPError></detail></s:Fault>",
            None,
            fault(Fault::ONLY_PERMANENT_LEASES, "Only[1m PermanentLeasesSupported"),
        ),
        ("<s:Fault><errorCode>99999999</errorCode></s:Fault>", None, fault(0, "")),
        ("<Fault></Fault>", None, fault(0, "")),
    ] {
        let got = decode_answer(envelope(body).as_bytes());
        let address = address.map(|text: &str| text.parse().unwrap());
        assert_eq!(got, Answer { external_address: address, fault: expected }, "{body}");
    }
}

#[test]
fn actions_are_as_in_wanipconnection() {
    let add = Action::Add {
        protocol: Protocol::Udp,
        external: 6882,
        internal: 6881,
        client: Ipv4Addr::new(192, 0, 2, 9),
        lease_s: 1800,
    };
    let text = String::from_utf8(add.encode(Service::Ip1)).unwrap();
    for part in [
        "<u:AddPortMapping xmlns:u=\"urn:schemas-upnp-org:service:WANIPConnection:1\"><NewRemoteHost>",
        "<NewExternalPort>6882</NewExternalPort><NewProtocol>UDP</NewProtocol>",
        "<NewInternalPort>6881</NewInternalPort><NewInternalClient>192.0.2.9</NewInternalClient>",
        "<NewLeaseDuration>1800</NewLeaseDuration></u:AddPortMapping></s:Body></s:Envelope>",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(
        add.soap_action(Service::Ppp1),
        "\"urn:schemas-upnp-org:service:WANPPPConnection:1#AddPortMapping\""
    );
    let delete = Action::Delete { protocol: Protocol::Tcp, external: 1 };
    assert!(String::from_utf8(delete.encode(Service::Ip2)).unwrap().contains("DeletePortMapping"));
    // What we say is what we would read.
    for action in [add, delete, Action::ExternalAddress] {
        assert_eq!(decode_answer(&action.encode(Service::Ip1)), Answer::default());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_judged(bytes: Vec<u8>) {
        let description = decode_description(&bytes);
        let urls = description.base_url.into_iter().chain(description.control.map(|(_, url)| url));
        prop_assert!(urls.into_iter().all(|url| url.len() <= TEXT_BYTES_MAX));
        let fault = decode_answer(&bytes).fault.unwrap_or_default();
        prop_assert!(fault.words.chars().count() <= WORDS_CHARS_MAX);
    }

    #[test]
    fn any_tags_are_judged(tags in "(<(/?[a-c:]{1,3}|serviceType|/service|!\\[CDATA\\[|!--|\\?)?>?|&[a-z#]{0,4};?|\\]\\]>|x){0,40}") {
        decode_description(tags.as_bytes());
        decode_answer(tags.as_bytes());
    }
}
