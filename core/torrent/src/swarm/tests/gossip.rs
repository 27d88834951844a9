//! Peers tell each other of peers: `hears_pex` says that a peer wants to be told, `a:pex+b!2-c` tells it that `b`
//! came, a seed, and that `c` went.

use super::*;

fn world() -> World {
    let mut w = World::new("..");
    w.swarm.config.pex = true;
    w
}

#[test]
fn who_wants_to_know_is_told_who_comes_and_goes_once_a_minute() {
    let mut w = world();
    w.with('a', "fx", "hears_pex").with('b', "fxd", "have_all").with('c', "fx", "hears_pex");
    assert_eq!(w.wait(1), "c:pex+a!0+b!12 a:pex+b!12+c!0");
    assert_eq!(w.wait(50), "");
    w.leave('b');
    assert_eq!(w.wait(10), "c:pex-b a:pex-b");
}

#[test]
fn who_did_not_say_where_it_listens_is_not_passed_on() {
    let mut w = world();
    w.with('a', "fx", "hears_pex").with('b', "", "have0");
    assert_eq!(w.wait(1), "");
}

#[test]
fn addresses_are_dialled_but_not_too_many_too_often() {
    let mut w = world();
    w.with('a', "fx", "hears_pex");
    assert_eq!(w.says('a', "pex12"), "dial:1 dial:2");
    assert_eq!(w.says('a', "pex34"), "", "too early");
    let mut w = world();
    w.swarm.config.pex = false;
    w.with('a', "fx", "hears_pex");
    assert_eq!(w.says('a', "pex12"), "", "switched off");
}

#[test]
fn strangers_do_not_send_us_into_our_own_network() {
    let mut w = world();
    let far = SocketAddr::from(([80, 1, 2, 3], 6881));
    let handshake = w.greeting('z');
    w.swarm.on_incoming(conn('z'), far, &handshake, w.now);
    w.hear();
    assert_eq!(w.says('z', "pex12"), "");
}
