//! `tandem load`: exact figures in simulated time, rows on disk, exit codes.

use std::path::Path;
use std::process::Output;

use domain::record::RequestRecord;
use domain::record::load::{Figures, LoadFile};
use metrics::load::Collected;
use serde_json::{Value, json};

use crate::support::{Place, Serving, code, ended, good, json, lines, said, text};
#[cfg(unix)]
use crate::support::{interrupt, until};

fn load(line: &str) -> Output {
    Place::new().run(&format!("load {line}"))
}

/// Description and figures in one object, without what differs from run to run.
fn figures(line: &str) -> Value {
    figures_in(&Place::new(), line)
}

fn figures_in(place: &Place, line: &str) -> Value {
    let mut value = json(&place.good(&format!("load --simulate --json {line}")));
    let header = &value["header"];
    for varies in ["name", "tool", "command", "started_at", "endpoints"] {
        assert!(!header[varies].is_null(), "{varies} is missing");
    }
    assert!(value["result"]["client"].is_object());
    let mut parts = ["/asked", "/result/figures", "/result"].map(|part| {
        let part = value.pointer_mut(part).unwrap();
        part.take().as_object().unwrap().clone()
    });
    let [all, figures, result] = &mut parts;
    for key in ["interrupted", "not_begun", "peak_in_flight"] {
        all.insert(key.to_owned(), result[key].take());
    }
    all.extend(std::mem::take(figures));
    std::mem::take(all).into()
}

fn rows(dir: &Path) -> Vec<RequestRecord> {
    lines(&dir.join("requests.jsonl")).collect()
}

#[test]
fn a_server_url_with_credentials_in_the_environment_is_an_error_that_does_not_show_them() {
    let place = Place::new();
    let mut command = place.command("load --requests 1 --no-record");
    command.env("OLLAMA_HOST", "http://someone:hunter2@127.0.0.1:1");
    let output = command.output().unwrap();
    let (code, errors) = said(&output);
    assert_eq!(code, 2);
    assert!(errors.contains("OLLAMA_HOST"), "{errors}");
    let said = errors + &text(&output.stdout);
    assert!(
        !said.contains("hunter2") && !said.contains("someone"),
        "{said}"
    );
}

#[test]
fn simulated_figures_repeat_exactly() {
    let line = "--agents 6 --requests 60 --num-predict 10 --think 150ms --num-parallel 4";
    assert_eq!(figures(line), figures(line));
}

#[test]
fn poisson_arrivals_follow_from_the_seed() {
    let seeded = |seed| {
        figures(&format!(
            "--profile instant --rate 50 --arrivals poisson --requests 40 --seed {seed}"
        ))
    };
    assert_eq!(seeded(3), seeded(3));
    assert_ne!(seeded(3)["sent_per_s"], seeded(4)["sent_per_s"]);
}

#[test]
fn rows_and_figures_are_written_and_agree() {
    let place = Place::new();
    let dir = place.path("l");
    place.good("load --simulate --profile instant --requests 130 --out l");
    let rows = rows(&dir);
    assert_eq!(rows.len(), 130);
    let written = std::fs::read_to_string(dir.join("load.json")).unwrap();
    let typed: LoadFile = serde_json::from_str(&written).unwrap();
    assert_eq!(typed.header.name, "l");
    let counted = {
        let mut counted = Collected::new(None);
        for row in &rows {
            counted.add(row);
        }
        // Through JSON, which rounds a float's last digit.
        let text = serde_json::to_string(&counted.figures()).unwrap();
        serde_json::from_str::<Figures>(&text).unwrap()
    };
    assert_eq!(typed.result.unwrap().figures, counted);
    let written: Value = serde_json::from_str(&written).unwrap();
    let tokens: u64 = rows.iter().map(|row| row.times.tokens).sum();
    assert_eq!(written["result"]["figures"]["tokens"], tokens);
    let ttft = &written["result"]["figures"]["ttft_ms"];
    assert_eq!(ttft["n"], 130);
    let mut measured: Vec<u64> = rows
        .iter()
        .map(|row| {
            row.times
                .first_token
                .unwrap()
                .since(row.times.sent.unwrap())
                .0
        })
        .collect();
    measured.sort_unstable();
    let longest_ms = ttft["max"].as_f64().unwrap();
    assert_eq!((longest_ms * 1e6).round() as u64, measured[129]);
    assert!(ttft["p95"].is_number(), "130 requests carry a p95: {ttft}");
    assert!(ttft["p99"].is_null(), "they do not carry a p99: {ttft}");
    assert_eq!(ttft["needs"], json!({ "p99": 662 }));
}

#[test]
fn a_load_goes_into_a_new_folder_by_default() {
    let place = Place::new();
    let small = "load --simulate --profile instant --requests 4";
    let made = || -> Vec<String> {
        let folders = std::fs::read_dir(place.path("results"));
        let names = folders.into_iter().flatten();
        names
            .map(|folder| folder.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    place.good(&format!("{small} --no-record"));
    assert_eq!(made(), [""; 0]);
    let output = place.good(&format!("{small} --name tenfold"));
    let made = made();
    assert_eq!(made.len(), 1);
    assert!(made[0].starts_with("tenfold-"), "{made:?}");
    assert!(made[0].ends_with("-simulated"), "{made:?}");
    assert!(text(&output.stderr).contains(&made[0]));
}

#[test]
fn a_load_can_be_replayed_from_its_folder_and_from_a_published_trace() {
    let place = Place::new();
    let first = figures_in(
        &place,
        "--rate 3 --arrivals poisson --requests 9 --out first",
    );
    let again = figures_in(&place, "--trace first");
    assert_eq!(again["shape"]["kind"], "replay");
    assert_eq!(again["sent_per_s"], first["sent_per_s"]);
    assert_eq!(again["outcomes"]["completed"], 9);

    let lines = (0..20).map(|n| {
        let (at, input) = (n * 250, 10 + 5 * n);
        format!(r#"{{"timestamp": {at}, "input_length": {input}, "output_length": 7}}"#)
    });
    place.write("mooncake.jsonl", &lines.collect::<Vec<_>>().join("\n"));
    let value = figures_in(&place, "--trace mooncake.jsonl --trace-speed 2");
    assert_eq!(value["sent_per_s"], 8.0);
    assert_eq!(value["requests"], 20);
    assert!(value["tokens"].as_u64().unwrap() <= 140);
    let line = "load --simulate --trace mooncake.jsonl --requests 21";
    place.fails(line, 2, &["holds 20 requests"]);
}

#[test]
fn real_work_takes_real_time_beside_a_real_server() {
    let server = Serving::start();
    let value = json(&good(load(&format!(
        "--endpoint {} --agents 4 --requests 12 --json --cpu-work primes:20000 --file-work 16KiB",
        server.url
    ))));
    let work = &value["result"]["figures"]["work"];
    for kind in ["queue_ms", "cpu_ms", "file_ms"] {
        assert_eq!(work[kind]["n"], 12, "{work}");
    }
    assert!(work["cpu_ms"]["min"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_server_in_real_time_is_loaded_on_either_runtime_with_the_clients_cost() {
    let server = Serving::start();
    let url = server.url.as_str();
    for (flags, flavour, workers) in [
        ("--workers 3", "multi", 3),
        ("--runtime current", "current", 1),
    ] {
        let value = json(&good(load(&format!(
            "--endpoint {url} --agents 16 --requests 200 --json {flags}"
        ))));
        let header = &value["header"];
        assert_eq!(header["provenance"], "simulated");
        assert_eq!(
            header["runtime"],
            json!({ "flavour": flavour, "workers": workers })
        );
        let client = &value["result"]["client"];
        let value = &value["result"]["figures"];
        assert_eq!(value["outcomes"]["completed"], 200);
        assert!(value["tokens"].as_u64().unwrap() > 200);
        assert!(value["e2e_ms"]["p95"].is_number());
        assert_eq!(client["shared_with_simulator"], false);
        if cfg!(target_os = "linux") {
            assert!(client["cpu_us_per_token"].as_f64().unwrap() > 0.0);
            assert!(client["peak_memory_bytes"].as_u64().unwrap() > 1_000_000);
        } else {
            assert!(client["cpu_us_per_token"].is_null());
        }
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_prints_what_was_measured_and_ends_with_130() {
    let place = Place::new();
    let mut child = place
        .start("load --simulate --time-scale 300 --json --agents 4 --requests 1000000 --out l");
    let rows_file = place.path("l/requests.jsonl");
    until(&mut child, || {
        std::fs::metadata(&rows_file).is_ok_and(|file| file.len() > 0)
    });
    let file: LoadFile = serde_json::from_str(&place.read("l/load.json")).unwrap();
    assert_eq!((file.asked.requests, file.result), (1_000_000, None));
    let output = interrupt(child);
    assert_eq!(code(&output), 130);
    let value = &json(&output)["result"];
    assert_eq!(value["interrupted"], true);
    let rows = rows(&place.path("l"));
    let outcomes = &value["figures"]["outcomes"];
    for class in ["completed", "cancelled"] {
        let of_class = rows.iter().filter(|r| r.times.outcome.class() == class);
        assert_eq!(outcomes[class], of_class.count());
    }
    assert!((1..=4).contains(&outcomes["cancelled"].as_u64().unwrap()));
    assert_eq!(value["not_begun"], 1_000_000 - rows.len());
}

#[test]
#[cfg(unix)]
fn a_low_limit_of_open_files_is_raised_and_one_that_cannot_be_is_an_error_that_names_it() {
    let place = Place::new();
    let under = |limit: &str, line| place.in_shell(limit, line).output().unwrap();
    let load = "load --simulate --profile instant --agents 200 --requests 200 --json";
    let (quick, two) = ("calibrate --quick", "calibrate --streams 1,2");
    good(under("ulimit -Sn 100", load));
    for (limit, line, words) in [
        (
            300,
            load,
            "about 464 open files|for 200 agents|at most 118 agents",
        ),
        (64, quick, "about 66 open files|for 1 agent|may have 64"),
        (17, quick, "about 66 open files|for 1 agent|may have 17"),
        (64, two, "about 68 open files|for 2 agents|may have 64"),
    ] {
        let words: Vec<&str> = words.split('|').collect();
        ended(line, &under(&format!("ulimit -n {limit}"), line), 2, &words);
    }
    let errors = said(&under("ulimit -n 70", quick)).1;
    assert!(errors.contains("not calibrated at 16 streams"), "{errors}");
}

/// The keys of a plan's `[timeouts]` are flags; values that are not the defaults are recorded.
#[test]
fn a_load_takes_the_timeouts_of_a_plan() {
    let place = Place::new();
    let line = "load --simulate --requests 4 --json --no-record --no-preload";
    let plain = json(&place.good(line));
    assert!(plain["asked"].get("timeouts").is_none(), "{plain}");
    let output = place.run(&format!("{line} --timeout-total 100ms"));
    assert_eq!(code(&output), 1);
    let limited = json(&output);
    assert_eq!(limited["result"]["figures"]["outcomes"]["timed_out"], 4);
    let timeouts = &limited["asked"]["timeouts"];
    assert_eq!(timeouts["total_ns"], 100_000_000);
    assert_eq!(timeouts["connect_ns"], 10_000_000_000_u64);
    for limit in ["connect", "first-byte", "between-chunks", "total"] {
        let line = format!("{line} --timeout-{limit} 0s");
        place.fails(&line, 2, &["\"0s\" is not a duration"]);
    }
}

/// A `/v1` server without a list of models, behind a proxy that passes each answer on in one piece, with a
/// usage of zeros and no `[DONE]`.
fn gathering_server() -> String {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = vec![0; 65_536];
            let read = stream.read(&mut bytes).unwrap();
            let (head, body) = if bytes[..read].starts_with(b"POST /v1/chat/completions ") {
                let text =
                    "data: {\"choices\":[{\"delta\":{\"content\":\"word \"}}]}\n\n".repeat(20);
                let usage = r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#;
                let stop = format!(
                    "data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"stop\"}}],\"usage\":{usage}}}\n\n"
                );
                ("200 OK\r\nContent-Type: text/event-stream", text + &stop)
            } else {
                (
                    "404 Not Found\r\nContent-Type: text/plain",
                    "no such page".to_owned(),
                )
            };
            let length = body.len();
            let reply = format!(
                "HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    address
}

#[test]
fn figures_that_a_gateway_withholds_are_unknown_and_named() {
    let place = Place::new();
    let address = gathering_server();
    let line = format!(
        "load --endpoint {address} --api openai --model x/y:nitro --agents 1 --requests 3 --out l --no-calibrate"
    );
    let output = place.good(&line);
    let printed = text(&output.stdout);
    for words in [
        "warning: 3 responses: the stream ended after its finish reason without `[DONE]`",
        "warning: 3 responses: the server's token count is impossible; chunks were counted instead",
        "warning: 3 responses: the answer arrived all at once, so TPOT and ITL are unknown",
        "warning: the model was not loaded before the first request, whose TTFT may include loading it",
        "Tokens      60 (chunks counted, an estimate)",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    let unlisted = "x/y:nitro is asked for unseen: /v1/models cannot be read";
    assert!(
        text(&output.stderr).contains(unlisted),
        "{}",
        text(&output.stderr)
    );
    let file: LoadFile = serde_json::from_str(&place.read("l/load.json")).unwrap();
    let figures = file.result.unwrap().figures;
    assert_eq!(
        (figures.outcomes.completed, figures.tokens_estimated),
        (3, 60)
    );
    assert_eq!((&figures.tpot_ms, &figures.itl_ms), (&None, &None));
    assert!(figures.ttft_ms.is_some());

    let line = format!(
        "capacity --endpoint {address} --api openai --model x/y:nitro --slo ttft_p50<2s --max-agents 1 \
         --requests-per-agent 20 --no-calibrate"
    );
    let errors = text(&place.run(&line).stderr);
    assert!(
        errors.contains("the answer arrived all at once"),
        "{errors}"
    );
}
