//! Programs that handle money, stopped at each effect and with the power cut at each change of their disks.
//!
//! After all restarts the books balance with the chain and nothing was done twice; `sim::money` checks.

use sim::money::{Cut, Role, run};

const ROLES: [Role; 2] = [Role::Payer, Role::Payee];

#[test]
fn without_crashes_all_that_is_wished_takes_place_once() {
    for seed in sim::seeds(20) {
        let ran = run(seed, Role::Payer, Cut::Never);
        assert_eq!(ran.crashes, 0);
    }
}

#[test]
fn a_program_that_stops_at_any_effect_pays_nothing_twice() {
    let mut crashes = 0;
    for seed in sim::seeds(2) {
        for role in ROLES {
            let effects = run(seed, role, Cut::Never).effects;
            for at in 1..=effects {
                crashes += run(seed, role, Cut::Effect(at)).crashes;
            }
        }
    }
    assert!(crashes > 300, "only {crashes} crashes");
}

#[test]
fn a_disk_that_loses_power_at_any_change_costs_no_money() {
    let mut crashes = 0;
    for seed in sim::seeds(1) {
        for role in ROLES {
            let changes = run(seed, role, Cut::Never).changes;
            for at in 0..changes {
                crashes += run(seed, role, Cut::Change(at)).crashes;
            }
        }
    }
    assert!(crashes > 200, "only {crashes} crashes");
}
