//! What one family draws is nobody else's business.

use super::*;

fn all() -> Swarm {
    Swarm {
        vectors: true,
        expiry: true,
        transactions: true,
        saves: true,
        shared: true,
        clearing: true,
        large: true,
        breaks: true,
        harmless_faults: true,
        harmful_faults: true,
        rough_net: true,
        crashes: true,
    }
}

/// Each part of a life by its name, as text.
fn parts(seed: u64, swarm: Swarm) -> Vec<(&'static str, String)> {
    let life = life(seed, 0, 3, 20, swarm);
    let of = |storage: bool| {
        let faults = life.faults.iter().filter(move |planned| planned.call.is_storage() == storage);
        faults.collect::<Vec<_>>()
    };
    let (net, disk) = (of(false), of(true));
    let ops: Vec<_> = life.clients.iter().map(|client| (client.depth, client.gap, &client.ops)).collect();
    let breaks: Vec<_> = life.clients.iter().map(|client| &client.breaks).collect();
    vec![
        ("requests", format!("{ops:?}")),
        ("breaks", format!("{breaks:?}")),
        ("threads", format!("{:?}", life.threads)),
        ("net", format!("{:?} {net:?}", life.net)),
        ("clock", format!("{:?}", life.clock)),
        ("disk", format!("{:?} {disk:?} {:?}", life.latency, life.rest)),
        ("ending", life.ending.to_string()),
        ("visitors", format!("{:?}", life.visitors)),
    ]
}

#[test]
fn a_family_that_is_off_changes_nothing_for_the_others() {
    type Off = fn(&mut Swarm);
    // What a crash does to a life shows among its breaks, faults and threads; a rough network makes visitors brief.
    let families: [(Off, &[&str]); 5] = [
        (|swarm| swarm.breaks = false, &["breaks"]),
        (|swarm| swarm.harmless_faults = false, &["disk", "net"]),
        (|swarm| swarm.harmful_faults = false, &["disk"]),
        (|swarm| swarm.rough_net = false, &["net", "visitors"]),
        (|swarm| swarm.crashes = false, &["ending", "breaks", "threads", "disk", "net"]),
    ];
    for seed in 0..200 {
        let on = parts(seed, all());
        for (off, own) in &families {
            let mut swarm = all();
            off(&mut swarm);
            for (usual, other) in
                on.iter().zip(parts(seed, swarm)).filter(|(usual, _)| !own.contains(&usual.0))
            {
                assert!(*usual == other, "seed {seed}, without what touches {own:?}: {usual:?} {other:?}");
            }
        }
    }
}
