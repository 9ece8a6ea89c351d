//! Output of the commands as snapshots: help, figures, and errors with their exit codes.

use std::fs;

use crate::support::Place;

fn pin(name: &str, place: &Place, lines: &[&str]) {
    let seen = place.transcripts(lines);
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(name, seen) });
}

const COMMANDS: [&str; 10] = [
    "",
    "sweep",
    "init",
    "run",
    "load",
    "doctor",
    "capacity",
    "serve",
    "calibrate",
    "calibrate-profile",
];

#[test]
fn help() {
    let place = Place::new();
    for command in COMMANDS {
        let line = format!("{command} --help");
        pin(&format!("help_{command}"), &place, &[line.trim()]);
    }
}

#[test]
fn sweeps() {
    let place = Place::new();
    pin(
        "sweeps",
        &place,
        &[
            "sweep --simulate --dry-run --only h* --repeats 1 --seed 7",
            "sweep --simulate --only homo_g80_c512* --repeats 2 --out two",
            "sweep --simulate --only homo_g80_c512_t0.6 --repeats 1 --out json --json",
            "sweep --simulate --only homo_g80_c512_t0.6 --out two",
            "sweep --resume two",
            "sweep --resume two --num-parallel 2",
            "sweep --simulate --only bvc_g80_c512* --repeats 2 --fault reset-mid-token=0.4 --out faults",
            "sweep --simulate --plan one-or-two-servers --repeats 3 --out servers",
            "sweep --simulate --only homo_g80_c512_t0.6 --protocol tr113 --admission 1 --out admission",
            "run --simulate --agent num_gpu=60,num_ctx=512,temperature=0.8 --agent default --runs 2 --out run",
        ],
    );
}

#[test]
fn starter_plan() {
    let place = Place::new();
    pin(
        "starter_plan",
        &place,
        &[
            "init",
            "init",
            "init no-such-folder/plan.toml",
            "sweep --simulate --plan plan.toml --repeats 1 --out run",
        ],
    );
}

#[test]
fn loads() {
    let place = Place::new();
    place.write(
        "trace.jsonl",
        "{\"timestamp\":0,\"input_length\":9,\"output_length\":5}\n\
         {\"timestamp\":400,\"input_length\":12,\"output_length\":6}\n",
    );
    pin(
        "loads",
        &place,
        &[
            "load --simulate --agents 4 --requests 16 --num-predict 20 --slo ttft<700ms,tpot<80ms --no-record",
            // One slot, 500 ms apart: with one agent the wait is in the client's queue, not in TTFT.
            "load --simulate --rate 2 --requests 8 --num-parallel 1 --no-record",
            "load --simulate --rate 2 --requests 8 --num-parallel 1 --agents 1 --no-record",
            "load --simulate --rate 3 --arrivals poisson --requests 12 --agents 2 --out open",
            "load --simulate --rate 3 --requests 12 --out open",
            "load --simulate --profile instant --ramp 1..20 --over 4s --arrivals gamma --cv 2 --no-record",
            "load --simulate --agents 2 --requests 6 --turns 3 --think 2s --no-record",
            "load --simulate --profile instant --agents 9 --requests 18 --cpu-work primes:200000 --file-work 64KiB --no-record",
            "load --simulate --trace trace.jsonl --no-record",
            "load --simulate --profile instant --fault busy=0.5 --requests 20 --no-preload --no-record",
            "load --simulate --requests 4 --json --no-record",
        ],
    );
}

#[test]
fn capacity() {
    let place = Place::new();
    pin(
        "capacity",
        &place,
        &[
            "capacity --simulate --num-parallel 2 --num-predict 4 --slo 'ttft_p60 < 500ms' --max-agents 16 --beyond 1 --out run",
            "capacity --simulate --num-predict 4 --max-agents 1 --requests-per-agent 2 --out few",
            "capacity --simulate --out run",
            "capacity --resume run --slo 'ttft_p95 < 1s'",
            "capacity --resume run --profile instant",
            "capacity --resume run --num-parallel 3",
            "capacity --resume run --fault busy=0.1",
            "capacity --resume run --runtime current",
            "capacity --resume run --workers 2",
            "capacity --resume run --pin 0",
        ],
    );
}

#[test]
fn doctor() {
    let place = Place::new();
    pin(
        "doctor",
        &place,
        &[
            "doctor --simulate",
            "doctor --simulate --plan one-or-two-servers --num-parallel 2 --no-probe",
            "doctor --simulate --num-parallel 2 --only homo_g80_c512_t0.6",
            "doctor --simulate --num-parallel 8 --only homo_g80_c512_t0.6",
            "doctor --simulate --fault busy=1",
            "doctor --simulate --fault busy=1 --no-probe",
            "doctor --simulate --only homo_g80_c512_t0.6 --json",
            "doctor --endpoint http://u:secret@127.0.0.1",
        ],
    );
}

/// Flags that differ from the settings of the resumed sweep: the error names both values.
#[test]
fn resumes() {
    pin(
        "resumes",
        &Place::new(),
        &[
            "sweep --simulate --only homo_g80_c512_t0.6 --repeats 1 --num-parallel 2 --fault busy=0.001 --out r",
            "sweep --resume r --num-parallel 3",
            "sweep --resume r --profile instant",
            "sweep --resume r --fault busy=0.1",
            "sweep --resume r --admission 1",
            "sweep --resume r --endpoint http://127.0.0.1:9",
            "sweep --resume r --no-simulate",
            "sweep --resume r --num-parallel 3 --admission 1",
            "sweep --resume r --workers 2",
            "sweep --resume r --dry-run",
            "sweep --resume r --seed 1",
        ],
    );
}

#[test]
fn errors() {
    let place = Place::new();
    let plan = "schema = 1\nname = \"p\"\ndescription = \"d\"\nmodel = \"gemma3:latest\"\n";
    place.write("empty.toml", plan);
    place.write("key.toml", &format!("{plan}colour = \"red\"\n"));
    place.write("syntax.toml", "schema = \n");
    fs::create_dir(place.path("old")).unwrap();
    place.write("old/manifest.json", "{\"schema\": 99}");
    fs::create_dir(place.path("other")).unwrap();
    place.write("other/load.json", "{}");
    pin(
        "errors",
        &place,
        &[
            "sweeep",
            "sweep --nonsense",
            "sweep --plan no-such-plan",
            "sweep --simulate --plan empty.toml",
            "sweep --simulate --plan key.toml",
            "sweep --simulate --plan syntax.toml",
            "sweep --simulate --only x*",
            "sweep --simulate --model nope",
            "sweep --simulate --profile nope",
            "sweep --simulate --fault no_such_fault=0.1",
            "sweep --simulate --fault rules.toml",
            "sweep --simulate --out other",
            "sweep --simulate --out key.toml",
            "sweep --resume no-such-folder",
            "sweep --resume old",
            "sweep --resume old --seed 1",
            "sweep --endpoint http://user:secret@127.0.0.1",
            "sweep --endpoint 127.0.0.1:9",
            "run --simulate",
            "run --simulate --agent num_gpu:60",
            "run --simulate --agent num_gpus=60",
            "run --simulate --agent default --runs 0",
            "load --endpoint 127.0.0.1:1 --api ollama,openai",
            "load --rate 0",
            "load --arrivals poisson",
            "load --rate 2 --think 1s",
            "load --rate 2 --arrivals gamma",
            "load --rate 2 --cv 2",
            "load --ramp 1..20",
            "load --ramp 1-20 --over 1s",
            "load --ramp 1..2 --over 0s",
            "load --ramp 1..1e300 --over 60s",
            "load --simulate --ramp 1..1e5 --over 3600s",
            "load --rate 1e-300",
            "load --rate 2 --ramp 1..2 --over 1s",
            "load --trace absent.csv",
            "load --trace-speed 2",
            "load --work-threads 2",
            "load --cpu-work sieve:3",
            "load --file-work 64kb",
            "load --slo speed<2s",
            "load --simulate --model nope",
            "load --simulate --same-prompt --nonce 9f86d081884c7d65",
            "load --simulate --agents 4294967295",
            "load --simulate --num-predict 10000001",
            "load --simulate --think 8days",
            "load --simulate --workers 100000",
            "sweep --simulate --protocol tr113 --nonce 9f86d081884c7d65",
            "sweep --simulate --repeats 10001",
            "load --simulate --runtime current --workers 2",
            "load --simulate --workers 2",
            "load --pin 2-1",
            "capacity --slo 'latency < 2s'",
            "capacity --slo 'ttft < 2s'",
            "capacity --max-agents 0",
            "capacity --precision 300%",
            "capacity --resume nowhere",
            "capacity --endpoint http://127.0.0.1:9",
            "doctor --plan nope",
            "doctor --only nope*",
            "calibrate --streams 4000000000",
            "calibrate-profile --input no-such.csv",
            "serve --time-scale 0",
        ],
    );
}
