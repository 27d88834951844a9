//! `shoal seed` behind a router that runs miniupnpd: peers of the world reach it as long as it runs.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use interop::{
    Content, Outcome, Proc, Scene, assert_identical, in_own_network, inside, run, shoal_command,
};

const LIMIT: Duration = Duration::from_secs(90);
/// A mapping is renewed at half of this. The router's own bound is 120 s unless it is told otherwise.
const LEASE: &str = "12s";
/// What is to come is looked for so often.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The router, as the world sees it: an address that counts as public.
const ROUTER: &str = "11.22.33.1";

/// A network with a router called `router`, and beyond it `world`.
const TOPOLOGY: &str = "\
    ip netns add router
    ip netns add world
    ip link add home0 type veth peer name lan0 netns router
    ip -n router link add wan0 type veth peer name net0 netns world
    ip addr add 192.168.77.2/24 dev home0
    ip link set home0 up
    ip -n router addr add 192.168.77.1/24 dev lan0
    ip -n router link set lan0 up
    ip -n router link set lo up
    ip -n router addr add 11.22.33.1/24 dev wan0
    ip -n router link set wan0 up
    ip -n world addr add 11.22.33.9/24 dev net0
    ip -n world link set net0 up
    ip -n world link set lo up
    ip route add default via 192.168.77.1
    ip netns exec router sysctl -qw net.ipv4.ip_forward=1";

/// The firewall of the router, with the chains that miniupnpd fills. PCP alone can be made to fail: its
/// version is the first byte of a request.
fn firewall(drops_pcp: bool) -> String {
    let input = if drops_pcp { "udp dport 5351 @th,64,8 0x02 drop" } else { "accept" };
    format!(
        "table inet filter {{
           chain input {{ type filter hook input priority 0; {input}; }}
           chain forward {{
             type filter hook forward priority 0; policy drop;
             iifname lan0 accept; ct state established,related accept; jump miniupnpd;
           }}
           chain miniupnpd {{}}
           chain prerouting {{ type nat hook prerouting priority -100; jump mapped; }}
           chain postrouting {{
             type nat hook postrouting priority 100; oifname wan0 masquerade; jump peers;
           }}
           chain mapped {{}}
           chain peers {{}}
         }}"
    )
}

fn miniupnpd(scene: &Scene, upnp: bool, nat_pmp: bool) -> anyhow::Result<Proc> {
    let said = |yes| if yes { "yes" } else { "no" };
    let (config, leases) = (scene.path("miniupnpd.conf"), scene.path("leases"));
    fs::write(&leases, "")?;
    fs::write(
        &config,
        format!(
            "ext_ifname=wan0\nlistening_ip=lan0\nenable_upnp={}\nenable_natpmp={}\n\
             secure_mode=yes\nuuid=00000000-0000-0000-0000-000000000001\nmin_lifetime=2\n\
             upnp_table_name=filter\nupnp_nat_table_name=filter\nupnp_forward_chain=miniupnpd\n\
             upnp_nat_chain=mapped\nupnp_nat_postrouting_chain=peers\nlease_file={}\n\
             allow 1024-65535 192.168.77.0/24 1024-65535\n",
            said(upnp),
            said(nat_pmp),
            leases.display()
        ),
    )?;
    let mut command = Command::new("/usr/sbin/miniupnpd");
    command.arg("-d").arg("-f").arg(&config).arg("-P").arg(scene.path("miniupnpd.pid"));
    let mut process = scene.spawn("miniupnpd", &mut inside("router", &command))?;
    process.wait_line("its start", |line| line.contains("starting").then_some(()))?;
    Ok(process)
}

/// When each lease ends, in seconds of Unix time. A line is PROTOCOL:PORT:ADDRESS:PORT:TIME:WORDS.
fn leases(scene: &Scene) -> anyhow::Result<Vec<u64>> {
    let text = fs::read_to_string(scene.path("leases"))?;
    let time = |line: &str| line.split(':').nth(4).and_then(|time| time.parse().ok());
    Ok(text.lines().filter_map(time).collect())
}

fn mapped_ports() -> anyhow::Result<usize> {
    let rules = run("ip netns exec router nft list chain inet filter mapped")?;
    Ok(rules.matches("dnat ip to 192.168.77.2:6881").count())
}

fn wait_until(
    process: &Proc,
    what: &str,
    mut is: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let mut looked: Option<Instant> = None;
    process.wait_until(what, || {
        if looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return false;
        }
        looked = Some(Instant::now());
        is().unwrap_or(false)
    })
}

/// The life of a mapping by `method`: made, of use, renewed, ended.
fn lives(scene: &Scene, method: &str, router: &Router) -> anyhow::Result<()> {
    for line in TOPOLOGY.lines() {
        run(line)?;
    }
    let rules = scene.path("rules.nft");
    fs::write(&rules, firewall(router.drops_pcp))?;
    run(&format!("ip netns exec router nft -f {}", rules.display()))?;
    let _router = miniupnpd(scene, router.upnp, router.nat_pmp)?;
    let content = Content::of_size(&scene.folder("content")?, 300_000)?;
    let torrent = scene.path("t.torrent");
    let mut create = shoal_command()?;
    create.arg("create").arg(&content.path).arg("-o").arg(&torrent);
    scene.spawn("shoal create", &mut create)?.wait_exit()?;

    let mut command = shoal_command()?;
    command.arg("seed").arg(&torrent).arg("--data").arg(content.parent()?);
    command.args(["--listen", "0.0.0.0:6881", "--port-mapping-lease", LEASE]);
    let mut seed = scene.spawn("shoal seed", &mut command)?;
    let says = format!("router opened port 6881 ({method}), we are {ROUTER} to the world");
    seed.wait_line(&says, |line| line.contains(&says).then_some(()))?;
    ensure!(mapped_ports()? == 2, "{} mappings", mapped_ports()?);

    let first = leases(scene)?;
    ensure!(first.len() == 2, "{first:?}");
    let later = |now: &[u64]| now.iter().zip(&first).all(|(now, first)| now > first);
    wait_until(&seed, "a renewal", || {
        let now = leases(scene)?;
        Ok(now.len() == 2 && later(&now))
    })?;
    // Only now, to see that a renewal breaks nothing.
    reach_from_the_world(scene, &torrent, &content)?;

    let begun = Instant::now();
    let exit = seed.stop()?;
    let (took, left) = (begun.elapsed(), mapped_ports()?);
    ensure!(exit.success(), "{exit}");
    ensure!(left == 0, "{left} mappings are left");
    ensure!(took < Duration::from_secs(5), "it took {took:?} to leave");
    Ok(())
}

fn reach_from_the_world(scene: &Scene, torrent: &Path, content: &Content) -> anyhow::Result<()> {
    let out = scene.folder("out")?;
    let peer: SocketAddr = format!("{ROUTER}:6881").parse()?;
    let mut command = shoal_command()?;
    command.arg("get").arg(torrent).arg("-o").arg(&out).args(["--exit", "--no-discovery"]);
    command.args(["--listen", "0.0.0.0:0", "--peer", &peer.to_string()]);
    let exit = scene.spawn("shoal get", &mut inside("world", &command))?.wait_exit()?;
    ensure!(exit.success(), "shoal get: {exit}");
    assert_identical(content, &out, true)
}

/// What the router speaks.
struct Router {
    upnp: bool,
    nat_pmp: bool,
    drops_pcp: bool,
}

#[test]
fn pcp_maps_renews_and_releases() -> Outcome {
    in_own_network("pcp_maps_renews_and_releases", LIMIT, |scene| {
        lives(scene, "PCP", &Router { upnp: true, nat_pmp: true, drops_pcp: false })
    })
}

#[test]
fn nat_pmp_maps_renews_and_releases() -> Outcome {
    in_own_network("nat_pmp_maps_renews_and_releases", LIMIT, |scene| {
        lives(scene, "NAT-PMP", &Router { upnp: false, nat_pmp: true, drops_pcp: true })
    })
}

#[test]
fn upnp_maps_renews_and_releases() -> Outcome {
    in_own_network("upnp_maps_renews_and_releases", LIMIT, |scene| {
        lives(scene, "UPnP", &Router { upnp: true, nat_pmp: false, drops_pcp: false })
    })
}
