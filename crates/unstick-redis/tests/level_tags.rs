//! How a tag becomes known while it is invalidated and evicted: every order of the single steps, carried out by the scripts themselves.

use unstick_testkit::{
    require_server,
    servers::{RedisServer, Reply},
};

const META: &str = include_str!("../lua/level_meta.lua");
const TAG: &str = include_str!("../lua/level_tag.lua");
const FAR: &str = "9000000000000000";

/// One step of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The `n`-th filler makes sure that there is a number or a mark.
    Claim(usize),
    /// It reads the sequence.
    Look(usize),
    /// It puts the number where its mark is.
    Settle(usize),
    /// The `n`-th invalidation takes its number.
    Number(usize),
    /// It raises the tag.
    Raise(usize),
    /// The server drops the tag.
    Evict,
}

/// All orders of some sequences whose own order is kept.
fn orders(left: &[&[Step]]) -> Vec<Vec<Step>> {
    if left.iter().all(|steps| steps.is_empty()) {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, steps) in left.iter().enumerate() {
        if let Some((first, rest)) = steps.split_first() {
            let mut left = left.to_vec();
            left[at] = rest;
            all.extend(orders(&left).into_iter().map(|order| std::iter::once(*first).chain(order).collect()));
        }
    }
    all
}

struct Level<'a> {
    redis: &'a RedisServer,
    meta: String,
    tag: String,
    script: &'a str,
}

impl Level<'_> {
    fn run(&self, script: &str, key: &str, args: &[&str]) -> Reply {
        self.redis.command(&[&["EVAL", script, "1", key, FAR], args].concat()).unwrap()
    }

    fn status(reply: &Reply) -> String {
        reply.list()[1].text()
    }

    fn seq(&self, what: &str) -> String {
        let Reply::Bytes(meta) = &self.run(META, &self.meta, &["epoch..8", what, "operation.....16"]).list()[2].clone() else {
            panic!("a string")
        };
        u64::from_be_bytes(meta[9..17].try_into().unwrap()).to_string()
    }

    /// The number of the tag, if it has one.
    fn number(&self) -> Option<u64> {
        let read = "local t = redis.call('GET', KEYS[1]) return t and string.format('%.0f', (struct.unpack('>i8', t, 2))) or '-1'";
        self.redis.command(&["EVAL", read, "1", &self.tag]).unwrap().text().parse().ok()
    }

    /// What a load at `start` claims and settles; whether it may fill so far.
    fn fill(&self, start: &str, mark: &str) -> bool {
        let claim = self.run(self.script, &self.tag, &["claim", start, "600000", mark]);
        match &*Self::status(&claim) {
            "OK" => true,
            "OVER" => false,
            _ => {
                let now = self.seq("");
                Self::status(&self.run(self.script, &self.tag, &["settle", &claim.list()[2].text(), &now, start])) == "OK"
            }
        }
    }

    /// Plays one order; tells how many of the fillers that began before the invalidation were refused, or what is good again.
    fn play(&self, order: &[Step]) -> Result<usize, String> {
        let start = self.seq("");
        let mut claims: [Option<Reply>; 2] = [None, None];
        let mut looked = [String::new(), String::new()];
        let mut numbers = [String::new(), String::new()];
        // the highest number of an invalidation that is over: what was loaded before it is not good
        let (mut floor, mut refused) = (0, 0);
        for (n, step) in order.iter().enumerate() {
            match *step {
                Step::Claim(by) => {
                    let mark = ["mark of one...16", "mark of two...16"][by];
                    claims[by] = Some(self.run(self.script, &self.tag, &["claim", &start, "600000", mark]));
                }
                Step::Look(by) => looked[by] = self.seq(""),
                Step::Settle(by) => {
                    let claim = claims[by].take().unwrap();
                    let settled = match &*Self::status(&claim) {
                        "NEW" => Self::status(&self.run(self.script, &self.tag, &["settle", &claim.list()[2].text(), &looked[by], &start])),
                        other => other.to_owned(),
                    };
                    refused += usize::from(settled != "OK");
                }
                Step::Number(by) => numbers[by] = self.seq("tag"),
                Step::Raise(by) => {
                    let op = format!("{by:016}");
                    assert_eq!(Self::status(&self.run(self.script, &self.tag, &["raise", &numbers[by], &op])), "DONE");
                    floor = floor.max(numbers[by].parse().unwrap());
                }
                Step::Evict => _ = self.redis.command(&["DEL", &self.tag]).unwrap(),
            }
            if self.number().is_some_and(|last| last < floor) {
                return Err(format!("after step {n} of {order:?} values from before are good again"));
            }
        }
        // and the level goes on: the next load fills, and what was there before is not good
        let next = self.seq("");
        assert!(self.fill(&next, "mark of next..16"), "the next load cannot fill: {order:?}");
        if self.number().is_none_or(|last| last < floor) {
            return Err(format!("after {order:?} and the next load values from before are good again"));
        }
        Ok(refused)
    }
}

/// Plays every order, with a tag that is known at first and one that is not; how many were played, and how many fills were refused.
fn play_all(redis: &RedisServer, name: &str, script: &str) -> Result<(usize, usize), String> {
    let one = [Step::Claim(0), Step::Look(0), Step::Settle(0)];
    let two = [Step::Claim(1), Step::Look(1), Step::Settle(1)];
    let (invalidation, another) = ([Step::Number(0), Step::Raise(0)], [Step::Number(1), Step::Raise(1)]);
    let mut schedules = orders(&[&one, &invalidation, &[Step::Evict]]);
    schedules.extend(orders(&[&one, &invalidation, &[Step::Evict], &[Step::Evict]]));
    schedules.extend(orders(&[&one, &two, &invalidation]));
    // of the 1680 orders of two invalidations, and of the 5040 orders of two fillers, an invalidation and an eviction
    schedules.extend(orders(&[&one, &invalidation, &another, &[Step::Evict]]).into_iter().step_by(3));
    schedules.extend(orders(&[&one, &two, &invalidation, &[Step::Evict]]).into_iter().step_by(10));
    let (mut played, mut refused) = (0, 0);
    for known in [false, true] {
        for (n, order) in schedules.iter().enumerate() {
            let level = Level { redis, meta: format!("{name} meta {known} {n}"), tag: format!("{name} tag {known} {n}"), script };
            if known {
                let start = level.seq("");
                assert!(level.fill(&start, "mark of first.16"));
            }
            refused += level.play(order)?;
            played += 1;
        }
    }
    Ok((played, refused))
}

#[test]
fn no_order_of_steps_makes_an_old_value_good() {
    let redis = require_server!(RedisServer::start());
    let (played, refused) = play_all(&redis, "right", TAG).unwrap();
    assert!(played > 2_000 && refused > played / 4, "{refused} refused fills in {played} orders prove nothing");
}

/// The orders are enough to catch what each line of the protocol is there for.
#[test]
fn each_shortcut_is_caught_by_some_order() {
    let redis = require_server!(RedisServer::start());
    for (name, line, instead) in [
        ("invalidation leaves the mark", "done, mark = table.concat(kept), none", "done = table.concat(kept)"),
        ("settled whatever the mark", "if mark ~= ARGV[3] then", "if false then"),
        ("known at once", "if mark == none then mark = ARGV[5] end", "number = tonumber(ARGV[3])"),
        ("raised from nothing", "if number >= 0 then number = math.max", "if number >= -1 then number = math.max"),
        ("not raised", "number = math.max(number, tonumber(ARGV[3]))", "number = number"),
    ] {
        let broken = TAG.replace(line, instead);
        assert_ne!(broken, TAG, "{name}: the line is there");
        play_all(&redis, name, &broken).expect_err(name);
    }
}
