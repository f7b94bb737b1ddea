//! Plans that once found a bug, kept in `sim/plans` with their stories: none of them may find anything any more.

#![expect(clippy::unwrap_used, reason = "a plan that cannot be read is a failed test")]

use std::path::{Path, PathBuf};

use engram_sim::campaign::judge;
use engram_sim::engine;
use engram_sim::plan::{Plan, parse};

fn kept() -> Vec<(PathBuf, Plan)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "plan"));
    files.sort();
    let read = |file: PathBuf| {
        let (plan, remarks) = parse(&std::fs::read_to_string(&file).unwrap());
        // What an old plan says and this version does not know is no failure, but somebody should see it.
        remarks.iter().for_each(|remark| println!("{}: {remark}", file.display()));
        (file, plan)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn what_was_found_once_stays_mended() {
    let (rig, plans) = (engine::rig(), kept());
    assert!(!plans.is_empty(), "no plan was kept");
    for (file, plan) in &plans {
        assert_eq!(judge(&rig, plan, true).failure, None, "{}", file.display());
    }
}

#[test]
fn every_kept_plan_has_a_story_and_something_to_do() {
    for (file, plan) in kept() {
        assert!(!plan.story.is_empty(), "{} has no story", file.display());
        assert!(!plan.lives.is_empty(), "{} has no life", file.display());
    }
}
