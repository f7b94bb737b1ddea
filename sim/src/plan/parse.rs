//! A plan from text, as [`super::show`] writes it, or as a person has changed it since.
//!
//! A plan outlives the version that wrote it: what this version does not know, or cannot read, is told as a remark
//! and left out; what is missing has its default. A line that begins with `#` is part of the plan's story.

use std::str::FromStr;

use super::{Break, ClientPlan, Ending, Life, ORDERS, Op, Plan, bounds, fields};
use crate::scheduler::Settings;

/// Reads a plan, and what there is to remark about it: a line each, with its number.
#[must_use]
pub fn parse(text: &str) -> (Plan, Vec<String>) {
    let mut reader = Reader::default();
    for (number, line) in text.lines().enumerate() {
        let mut remarks = Vec::new();
        reader.line(line.trim(), &mut remarks);
        reader.remarks.extend(remarks.iter().map(|what| format!("line {}: {what}", number + 1)));
    }
    (reader.plan, reader.remarks)
}

#[derive(Default)]
struct Reader {
    plan: Plan,
    remarks: Vec<String>,
    /// The number of the client that operations belong to.
    client: Option<usize>,
    /// The line that began a life could not be read: nothing is known of the life that these lines belong to.
    lost: bool,
}

impl Reader {
    fn line(&mut self, line: &str, remarks: &mut Vec<String>) {
        if let Some(story) = line.strip_prefix('#') {
            return self.plan.story.push(story.trim().to_owned());
        }
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        if name.starts_with(|c: char| c.is_ascii_uppercase()) {
            return remarks.extend(self.operation(line).err());
        }
        let read = match name {
            "" => Ok(()),
            "plan" => self.seed(&words),
            "server" => {
                fields::read(&mut self.plan.server, &words, remarks);
                Ok(())
            }
            "life" => self.life_begins(&words),
            "client" => self.client_begins(&words, remarks),
            "break" => rest.parse().and_then(|how| self.break_off(how)),
            _ => self.life().and_then(|life| bounded_line(life, name, rest, &words, remarks)),
        };
        remarks.extend(read.err());
    }

    fn seed(&mut self, words: &[&str]) -> Result<(), String> {
        let ["seed", seed] = words else { return Err("`plan seed N` is wanted".to_owned()) };
        self.plan.seed = number(seed)?;
        Ok(())
    }

    fn life_begins(&mut self, words: &[&str]) -> Result<(), String> {
        (self.client, self.lost) = (None, true);
        let [word] = words else { return Err("`life N` is wanted".to_owned()) };
        let life = Life { number: number(word)?, ..Life::default() };
        self.lost = false;
        self.plan.lives.push(life);
        Ok(())
    }

    fn client_begins(&mut self, words: &[&str], remarks: &mut Vec<String>) -> Result<(), String> {
        const MOST: usize = 1_000;
        self.client = None;
        let (word, settings) = words.split_first().ok_or("a client needs a number")?;
        let number = number::<usize>(word)?;
        if number >= MOST {
            return Err(format!("a plan has no more than {MOST} clients"));
        }
        let clients = &mut self.life()?.clients;
        let len = clients.len().max(number + 1);
        clients.resize_with(len, ClientPlan::default);
        fields::read(&mut clients[number], settings, remarks);
        self.client = Some(number);
        Ok(())
    }

    fn operation(&mut self, line: &str) -> Result<(), String> {
        let op = line.parse::<Op>()?;
        bounds::request(&op)?;
        bounds::owned(&op, self.client.ok_or("this belongs to a client")?)?;
        self.client()?.ops.push(op);
        Ok(())
    }

    fn break_off(&mut self, how: Break) -> Result<(), String> {
        bounds::break_off(&how)?;
        let client = self.client()?;
        client.breaks.push((client.ops.len(), how));
        Ok(())
    }

    fn life(&mut self) -> Result<&mut Life, String> {
        let life = self.plan.lives.last_mut().filter(|_| !self.lost);
        life.ok_or_else(|| "this belongs into a life".to_owned())
    }

    fn client(&mut self) -> Result<&mut ClientPlan, String> {
        let number = self.client.ok_or("this belongs to a client")?;
        self.life()?.clients.get_mut(number).ok_or_else(|| "this belongs to a client".to_owned())
    }
}

/// A line that belongs to a life, unless it asks for more than a plan may.
fn bounded_line(
    life: &mut Life,
    name: &str,
    rest: &str,
    words: &[&str],
    remarks: &mut Vec<String>,
) -> Result<(), String> {
    let mut line = Life::default();
    life_line(&mut line, name, rest, words, &mut Vec::new()).and_then(|()| bounds::life(&line))?;
    life_line(life, name, rest, words, remarks)
}

/// A line that belongs to a life and is no client's.
fn life_line(
    life: &mut Life,
    name: &str,
    rest: &str,
    words: &[&str],
    remarks: &mut Vec<String>,
) -> Result<(), String> {
    match name {
        "ending" => {
            let (ending, settings) = words.split_first().ok_or("how does it end?")?;
            life.ending = ending.parse()?;
            if let ["twice", twice] = settings {
                life.twice = twice.parse().map_err(|_| format!("`{twice}` is neither true nor false"))?;
            }
        }
        "threads" => fields::read::<Settings>(&mut life.threads, words, remarks),
        "signal" => life.signal = Some(number(rest)?),
        "crash" => life.threads.crash = Some(rest.parse()?),
        "disturb" => life.threads.disturbances.push(rest.parse()?),
        "net" => fields::read(&mut life.net, words, remarks),
        "disk" => fields::read(&mut life.latency, words, remarks),
        "fault" => life.faults.push(rest.parse()?),
        "rest" => life.rest.push(rest.parse()?),
        "clock" => fields::read(&mut life.clock, words, remarks),
        "jump" => life.clock.jumps.push(pair(words)?),
        "pause" => life.clock.pauses.push(pair(words)?),
        "visitor" => life.visitors.push(rest.parse()?),
        _ => return Err(format!("`{name}` means nothing here")),
    }
    Ok(())
}

/// Two numbers.
fn pair<A: FromStr, B: FromStr>(words: &[&str]) -> Result<(A, B), String> {
    let [first, second] = words else { return Err("two numbers are wanted".to_owned()) };
    Ok((number(first)?, number(second)?))
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("`{word}` is no number"))
}

impl FromStr for Ending {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.split_once(':') {
            None if text == "shutdown" => Self::Shutdown,
            None if text == "kill" => Self::Kill,
            Some(("power", loss)) => Self::Power(loss.parse()?),
            _ => return Err(format!("nothing ends with `{text}`")),
        })
    }
}

impl FromStr for Break {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match name {
            "reset" => Self::Reset(number(rest)?),
            "finish" => Self::Finish,
            "quit" => Self::Quit,
            "cut-reset" => Self::CutReset(number(rest)?),
            "cut-finish" => Self::CutFinish(number(rest)?),
            "cut-reply" => Self::CutReply(number(rest)?),
            "crash" => Self::Crash(number(rest)?),
            "shutdown" => Self::Shutdown(number(rest)?),
            "order" => {
                let known = ORDERS.into_iter().find(|order| *order == rest);
                Self::Order(known.ok_or_else(|| format!("no order `{rest}`"))?)
            }
            "garbage" => Self::Garbage(unescape(rest)?),
            _ => return Err(format!("nobody breaks off with `{name}`")),
        })
    }
}

/// Undoes [`str::escape_default`].
fn unescape(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is not escaped as it should be");
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match rest.next().ok_or_else(wrong)? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let code: String = rest.by_ref().skip(1).take_while(|&c| c != '}').collect();
                u32::from_str_radix(&code, 16).ok().and_then(char::from_u32).ok_or_else(wrong)?
            }
            c @ ('\\' | '\'' | '"') => c,
            _ => return Err(wrong()),
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::generate;

    #[test]
    fn every_generated_plan_comes_back_from_its_text() {
        for seed in (0..2_000).chain(500_000..500_100) {
            let plan = generate(seed);
            let text = plan.to_string();
            let (again, remarks) = parse(&text);
            assert_eq!(remarks, Vec::<String>::new(), "seed {seed}");
            let again = again.to_string();
            let differs = again.lines().zip(text.lines()).find(|(came, went)| came != went);
            assert_eq!(differs, None, "seed {seed}");
            assert_eq!(again.len(), text.len(), "seed {seed}");
        }
    }

    #[test]
    fn what_comes_back_runs_the_same() {
        let rig = crate::engine::rig();
        for seed in 0..20 {
            let plan = generate(seed);
            let (again, _) = parse(&plan.to_string());
            let (first, second) = (rig.run(&plan, true), rig.run(&again, true));
            assert_eq!(crate::trace::first_difference(&first.trace, &second.trace), None, "seed {seed}");
        }
    }

    #[test]
    fn what_is_not_understood_is_told_with_its_line_and_left_out() {
        let text = "# how it was found\nplan seed 7\nserver workers 2 teleporters 9\nlife 3\n  threads tick many\n  \
                    fault sync 1 purple\n  fault sync 2 io\n  client 1 depth 4\n    SET c1:k0 a\n    JUMP high\n    \
                    break nothing\n    break reset 5\nthis is no line\n";
        let (plan, remarks) = parse(text);
        assert_eq!(plan.story, ["how it was found"]);
        assert_eq!((plan.seed, plan.server.workers, plan.lives.len()), (7, 2, 1));
        let life = &plan.lives[0];
        assert_eq!((life.number, life.faults.len(), life.clients.len()), (3, 1, 2));
        assert_eq!((life.clients[1].depth, life.clients[1].ops.len()), (4, 1));
        assert_eq!(life.clients[1].breaks, [(1, Break::Reset(5))]);
        let lines: Vec<&str> = remarks.iter().map(|remark| remark.split(':').next().unwrap()).collect();
        assert_eq!(lines, ["line 3", "line 5", "line 6", "line 10", "line 11", "line 13"], "{remarks:?}");
    }

    #[test]
    fn what_no_machine_could_do_is_told_and_left_out() {
        let hostile = [
            "server workers 100000",
            "server workers 0",
            "server snapshot-slice 0",
            "threads tick 18446744073709551615",
            "net capacity 0",
            "disk sync 18446744073709551615",
            "clock late 18446744073709551615",
            "jump 18446744073709551615 5",
            "jump 5 9223372036854775807",
            "pause 5 18446744073709551615",
            "fault sync 1 slow 18446744073709551615",
            "disturb stall:18446744073709551615 1 worker@job",
            "visitor at 18446744073709551615 silent",
            "visitor at 1 flood 4294967295",
            "visitor at 1 probe 0",
            "client 1 depth 0",
            "SETRANGE c0:k0 18446744073709551615 x",
            "EXPIRE c0:k0 9223372036854775807",
            "VNEW c0:v0 0 METRIC l2 M 4 EF_CONSTRUCTION 20",
            "break crash 18446744073709551615",
        ];
        let text = format!("plan seed 7\nlife 0\nclient 0\nGET c0:k0\n{}\n", hostile.join("\n"));
        let (plan, remarks) = parse(&text);
        assert_eq!(remarks.len(), hostile.len(), "{remarks:?}");
        let (usual, _) = parse("plan seed 7\nlife 0\nclient 0\nGET c0:k0\nclient 1\n");
        assert_eq!(plan.to_string(), usual.to_string());
    }

    #[test]
    fn what_follows_a_line_that_cannot_be_read_goes_to_nobody_else() {
        let text = "plan seed 1\nlife 0\nclient 0\nSET foo bar\nclient one\nSET c0:k0 a\nthreads strategy pct:5000:9\n\
                    fault accept 1 sync-dropped\nlife 1e99\nclient 0\nSET c0:k0 b\n";
        let (plan, remarks) = parse(text);
        assert_eq!(remarks.len(), 8, "{remarks:?}");
        let [life] = plan.lives.as_slice() else { panic!("one life can be read") };
        assert!(life.clients.iter().all(|client| client.ops.is_empty()) && life.faults.is_empty());
    }
}
