//! The table against itself, and every road to it.

use super::*;

const FILE: &str = "engram.conf";

fn parse_with(args: &[&str], file: &str) -> Result<Parsed, OptionError> {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let mut read =
        |path: &str| if path == FILE { Ok(file.to_owned()) } else { Err("no such file".to_owned()) };
    Options::parse(&args, 3, &mut read)
}

fn run(args: &[&str], file: &str) -> Options {
    match parse_with(args, file) {
        Ok(Parsed::Run(options)) => *options,
        other => panic!("{args:?}: {other:?}"),
    }
}

fn error(args: &[&str], file: &str) -> String {
    parse_with(args, file).map(|parsed| panic!("{args:?}: {parsed:?}")).unwrap_err().to_string()
}

#[test]
fn every_default_is_shown_as_it_is_read() {
    let defaults = Options::for_cores(5);
    for setting in SETTINGS {
        let mut other = Options { workers: 9, port: 1, ..Options::default() };
        let text = (setting.show)(&defaults);
        (setting.set)(&mut other, &text).unwrap_or_else(|why| panic!("{} {text:?}: {why}", setting.name));
        assert_eq!((setting.show)(&other), text, "{}", setting.name);
    }
}

#[test]
fn names_are_unique_in_the_table() {
    let mut names: Vec<_> = SETTINGS.iter().flat_map(|s| [Some(s.name), s.alias]).flatten().collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
}

#[test]
fn no_flags_give_the_defaults_of_the_machine() {
    assert_eq!(run(&[], ""), Options::for_cores(3));
    assert_eq!((run(&[], "").workers, Options::for_cores(0).workers), (3, 1));
}

#[test]
fn flags_are_read_in_both_spellings_and_the_last_wins() {
    let options = run(&["--port", "7000", "--dir=./data", "--fsync", "everysec", "--port=7001"], "");
    assert_eq!((options.port, options.dir.as_deref()), (7001, Some("./data")));
    assert_eq!(options.fsync, Tier::EverySecond);
    assert_eq!(run(&["--bind", "127.0.0.1", "-::1", "--port", "1"], "").bind, ["127.0.0.1", "-::1"]);
    assert_eq!(run(&["--bind=* -::*"], "").bind, ["*", "-::*"]);
    assert_eq!(run(&["--slowlog-log-slower-than", "-1"], "").slowlog_log_slower_than, -1);
    assert_eq!(run(&["--requirepass", ""], "").requirepass, b"");
    assert_eq!(run(&["--loglevel", "VERBOSE"], "").loglevel, Level::Debug);
}

#[test]
fn flags_win_over_the_file_wherever_it_is_named() {
    let file =
        "port 1\n\n  # a comment\nrequirepass \"two words\\x21\"\nbind 127.0.0.1 ::1\nappendfsync no\n";
    for args in [
        &[FILE, "--port", "2"][..],
        &["--port", "2", "--config", FILE],
        &["--config=engram.conf", "--port=2"],
    ] {
        let options = run(args, file);
        assert_eq!((options.port, &options.requirepass[..]), (2, &b"two words!"[..]));
        assert_eq!((options.bind.join(" ").as_str(), options.fsync), ("127.0.0.1 ::1", Tier::No));
        assert_eq!(options.config_file.as_deref(), Some(FILE));
    }
}

#[test]
fn errors_in_a_file_name_the_file_and_the_line() {
    let at = |text: &str| error(&[FILE], text);
    assert_eq!(
        at("port 1\nsave 900 1"),
        "engram.conf:2: save: there is no such setting; --help lists them all"
    );
    assert_eq!(at("\n\nport"), "engram.conf:3: port: a value is missing");
    assert_eq!(at("port 70000"), "engram.conf:1: port: argument must be between 0 and 65535 inclusive");
    assert_eq!(at("dir a b"), "engram.conf:1: dir: takes one value, and there are 2 (quote one with spaces)");
    assert_eq!(at("dir \"a"), "engram.conf:1: its quotes do not close");
    assert_eq!(at("*3"), "engram.conf:1: *3: a value is missing");
    assert_eq!(at("dir \"\\xff\""), "engram.conf:1: its escapes are not UTF-8 text");
    assert_eq!(at("dir \"a\\nb\""), "engram.conf:1: dir: a value is one line of text");
    assert_eq!(
        at("fsync sometimes"),
        "engram.conf:1: fsync: argument(s) must be one of the following: always, everysec, no"
    );
    assert_eq!(error(&["other.conf"], ""), "cannot read the config file other.conf: no such file");
}

#[test]
fn errors_on_the_command_line_name_the_flag() {
    assert_eq!(error(&["--prot", "1"], ""), "--prot: there is no such setting; --help lists them all");
    assert_eq!(error(&["--prot=1"], ""), "--prot: there is no such setting; --help lists them all");
    assert_eq!(error(&["--port"], ""), "--port: a value is missing");
    assert_eq!(error(&["--port", "--dir"], ""), "--port: a value is missing");
    assert!(error(&["--port", "1", "stray"], "").starts_with("'stray' is neither a setting"));
    assert!(error(&["-p", "1"], "").starts_with("'-p' is neither a setting"));
    assert!(error(&["--kernel", "mmx"], "").ends_with("auto, scalar, neon, avx2, avx512"));
    assert!(error(&["--workers", "0"], "").contains("between 1 and 256"));
    assert!(error(&["--bind="], "").contains("at least one address"));
}

#[test]
fn sizes_know_their_units() {
    let good = [
        ("0", 0),
        ("7", 7),
        ("7b", 7),
        ("2k", 2_000),
        ("2kb", 2_048),
        ("3M", 3_000_000),
        ("3mb", 3 << 20),
        ("1g", 1_000_000_000),
        ("1GB", 1 << 30),
    ];
    for (text, bytes) in good {
        assert_eq!(values::size::<usize>(text, 0, 1 << 40), Ok(bytes), "{text}");
    }
    for text in ["", "k", "-1", "+1", "1.5gb", "1 gb", "1tb", "99999999999g", "2000gb", "0x10"] {
        assert!(values::size::<usize>(text, 0, 1 << 40).is_err(), "{text}");
    }
    assert_eq!([0, 1023, 1024, 3 << 20, 1 << 30].map(values::human), ["0", "1023", "1kb", "3mb", "1gb"]);
}

#[test]
fn help_names_every_setting_with_its_default_within_the_width() {
    let Ok(Parsed::Help(text)) = parse_with(&["--port", "1", "--help"], "") else { panic!("no help") };
    for setting in SETTINGS {
        assert!(text.contains(&format!("--{} {}", setting.name, setting.value)), "{}", setting.name);
    }
    assert!(
        text.contains("[6380]") && text.contains("[1gb]") && text.contains("[none]") && text.contains("[3]")
    );
    assert!(text.lines().all(|line| line.len() <= 110), "{text}");
    assert_eq!(parse_with(&["--version"], ""), Ok(Parsed::Version(format!("engram {VERSION}"))));
}

#[test]
fn kernels_of_another_cpu_are_a_clear_error_when_they_are_taken() {
    let foreign = if cfg!(target_arch = "x86_64") { "neon" } else { "avx2" };
    let options = Options { kernel: foreign.to_owned(), ..Options::default() };
    assert!(options.engine(1).unwrap_err().0.contains("does not run on this CPU"));
    let scalar = Options { kernel: "scalar".to_owned(), ..Options::default() };
    assert_eq!(scalar.engine(1).unwrap().store.kernels.name(), "scalar");
}
