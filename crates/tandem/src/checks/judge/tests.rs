use domain::backend::{ModelIdentity, ServerIdentity};

use super::super::facts::{ClockFacts, FileLimit, ServerFacts};
use super::super::memory::Shape;
use super::super::slots::{Probe, Slots};
use super::*;

fn plan() -> PlanFacts {
    PlanFacts {
        name: "p".to_owned(),
        model: "gemma3:latest".to_owned(),
        configs: 2,
        agents: 2,
        servers: 1,
        largest_context: Some(1024),
        largest_named_context: Some(1024),
        reloading: 0,
        reloading_options: Vec::new(),
        sets_state: true,
    }
}

fn there(kind: &str) -> There {
    let ollama = kind == "ollama";
    There {
        server: ServerIdentity {
            kind: kind.to_owned(),
            version: "1".to_owned(),
        },
        loads_on_demand: ollama,
        simulated: false,
        key_sent: false,
        model: Some(ModelIdentity {
            name: "gemma3:latest".to_owned(),
            digest: Some("sha256:0123456789abcdef".to_owned()),
            size_bytes: Some(3_000_000_000),
            parameter_size: Some("4.3B".to_owned()),
            quantization: Some("Q4_K_M".to_owned()),
        }),
        has: vec!["gemma3:latest".to_owned()],
        slots_told: None,
        context_told: None,
        options_not_sent: Vec::new(),
        shape: None,
        need: None,
        loaded_before: Some(Vec::new()),
        loaded: None,
        keep_alive_s: None,
        probe: None,
    }
}

fn probe(slots: Slots) -> Probe {
    Probe {
        together: 3,
        num_predict: 32,
        slots,
        solo_rate: Some(50.0),
        took_s: 1.0,
        failures: Vec::new(),
        key_refused: false,
    }
}

fn machine() -> MachineFacts {
    MachineFacts {
        memory_free_bytes: Some(8_000_000_000),
        memory_total_bytes: Some(16_000_000_000),
        clock: Some(ClockFacts {
            step_ns: 40,
            oversleep_p99_ms: 1.2,
        }),
        files: Some(FileLimit {
            soft: Some(1024),
            hard: None,
        }),
        disk_free_bytes: Some(50_000_000_000),
        ..MachineFacts::default()
    }
}

fn found(plan: PlanFacts, there: There, machine: MachineFacts) -> Vec<Finding> {
    judge(&Facts {
        plan,
        servers: vec![ServerFacts {
            url: "http://127.0.0.1:1".to_owned(),
            local: true,
            state: ServerState::There(Box::new(there)),
        }],
        machine: Some(machine),
    })
}

/// The only finding with this code.
fn one<'f>(findings: &'f [Finding], code: &str) -> &'f Finding {
    let mut of = findings.iter().filter(|f| f.code == code);
    let first = of
        .next()
        .unwrap_or_else(|| panic!("no {code} in {findings:#?}"));
    assert!(of.next().is_none(), "more than one {code}: {findings:#?}");
    first
}

fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|f| f.level).max().unwrap()
}

#[test]
fn a_good_server_on_a_quiet_machine_leaves_nothing_to_do() {
    let mut there = there("ollama");
    there.probe = Some(probe(Slots::Exactly { n: 2 }));
    there.keep_alive_s = Some(300.0);
    let findings = found(plan(), there, machine());
    // What it needs cannot be estimated: that is worth a note and no more.
    assert_eq!(worst(&findings), Level::Note);
    assert_eq!(
        one(&findings, "model").what,
        "has gemma3:latest (4.3B, Q4_K_M, 3.0 GB, digest 0123456789ab)"
    );
    assert!(one(&findings, "slots").what.starts_with("2 slots"));
    assert_eq!(one(&findings, "keep_alive").level, Level::Ok);
}

#[test]
fn a_missing_model_names_the_nearest_and_ends_the_questions() {
    let mut there = there("ollama");
    there.model = None;
    there.has = ["llama3.2:1b", "gemma3:4b", "gema3:latest", "qwen3:8b"]
        .map(str::to_owned)
        .into();
    let findings = found(plan(), there, machine());
    let model = one(&findings, "model");
    assert_eq!(model.level, Level::Problem);
    assert!(model.what.contains("gema3:latest"), "{}", model.what);
    assert!(model.what.contains("gemma3:4b"), "{}", model.what);
    assert!(!model.what.contains("qwen3"), "{}", model.what);
    assert!(
        model
            .todo
            .as_ref()
            .unwrap()
            .contains("ollama pull gemma3:latest")
    );
    assert!(
        !findings
            .iter()
            .any(|f| f.code == "slots" || f.code == "memory")
    );
}

#[test]
fn one_slot_is_a_note_that_says_how_to_get_more_on_each_server() {
    for (kind, how) in [
        ("ollama", "OLLAMA_NUM_PARALLEL=2"),
        ("llama.cpp", "--parallel 2"),
        ("vllm", "--max-num-seqs 2"),
        ("sglang", "--max-running-requests 2"),
        ("ollama /v1", "OLLAMA_NUM_PARALLEL=2"),
        ("openai-compatible", "let it serve 2"),
    ] {
        let mut there = there(kind);
        there.probe = Some(probe(Slots::Exactly { n: 1 }));
        let findings = found(plan(), there, machine());
        let slots = one(&findings, "slots");
        assert_eq!(slots.level, Level::Note, "{kind}");
        assert!(slots.what.starts_with("serial"), "{}", slots.what);
        assert!(slots.todo.as_ref().unwrap().contains(how), "{slots:?}");
    }
}

#[test]
fn slots_told_and_shown_must_agree_as_far_as_the_probe_can_see() {
    for (told, shown, agree) in [
        (2, Slots::Exactly { n: 2 }, true),
        (2, Slots::Exactly { n: 1 }, false),
        (1, Slots::Exactly { n: 2 }, false),
        // Three requests cannot fill more than three slots.
        (8, Slots::AtLeast { n: 3 }, true),
        (4, Slots::Exactly { n: 2 }, true),
        (2, Slots::AtLeast { n: 3 }, false),
    ] {
        let mut there = there("llama.cpp");
        there.slots_told = Some(told);
        there.probe = Some(probe(shown.clone()));
        let findings = found(plan(), there, machine());
        let otherwise = findings.iter().any(|f| f.what.contains("showed otherwise"));
        assert_eq!(otherwise, !agree, "{told} {shown:?}");
    }
}

#[test]
fn memory_is_held_against_the_gpu_else_against_the_host() {
    let shape = Shape {
        values_per_token: 100_000,
        layers: 30,
        context: Some(8192),
        windowed: false,
    };
    let with = |context, slots| {
        let mut there = there("ollama");
        there.need = Some(Need::of(3_000_000_000, &shape, Some(context), Some(slots)));
        there.shape = Some(shape.clone());
        there
    };
    let gpu = |bytes| MachineFacts {
        gpus: vec![GpuFacts {
            name: "G".to_owned(),
            memory_total_bytes: Some(bytes),
            ..GpuFacts::default()
        }],
        ..machine()
    };
    let level = |there, machine| {
        let findings = found(plan(), there, machine);
        let memory = one(&findings, "memory");
        assert!(
            memory.what.contains("estimated: weights 3.0 GB"),
            "{}",
            memory.what
        );
        memory.level
    };
    // 3.0 GB and 0.2 GB of cache.
    assert_eq!(level(with(1024, 1), machine()), Level::Ok);
    assert_eq!(level(with(1024, 1), gpu(6_000_000_000)), Level::Ok);
    assert_eq!(level(with(1024, 1), gpu(3_500_000_000)), Level::Warning);
    // 3.0 GB and 6.6 GB of cache.
    assert_eq!(level(with(8192, 4), machine()), Level::Problem);

    // A model in memory holds what it needs already.
    let mut loaded = with(8192, 4);
    loaded.loaded_before = Some(vec![LoadedModel {
        name: "gemma3:latest".to_owned(),
        size_bytes: Some(9_000_000_000),
        size_vram_bytes: None,
        context_length: None,
        expires_at: None,
    }]);
    assert_eq!(level(loaded, machine()), Level::Ok);

    // What a server elsewhere has is not known here.
    let elsewhere = judge(&Facts {
        plan: plan(),
        servers: vec![ServerFacts {
            url: "http://10.0.0.1:1".to_owned(),
            local: false,
            state: ServerState::There(Box::new(with(8192, 4))),
        }],
        machine: Some(machine()),
    });
    assert_eq!(one(&elsewhere, "memory").level, Level::Note);
}

#[test]
fn a_model_partly_on_the_cpu_and_other_users_spoil_a_sweep() {
    let mut there = there("ollama");
    let model = |name: &str, size, vram| LoadedModel {
        name: name.to_owned(),
        size_bytes: Some(size),
        size_vram_bytes: Some(vram),
        context_length: Some(1024),
        expires_at: None,
    };
    there.loaded = Some(model("gemma3:latest", 4_000_000_000, 3_000_000_000));
    there.loaded_before = Some(vec![model("qwen3:8b", 6_000_000_000, 6_000_000_000)]);
    let mut machine = machine();
    machine.gpus = vec![GpuFacts {
        index: 0,
        name: "G".to_owned(),
        memory_total_bytes: Some(12_000_000_000),
        memory_used_bytes: Some(8_000_000_000),
        others: vec!["blender (pid 7, 1.0 GB)".to_owned()],
    }];
    let findings = found(plan(), there, machine);
    assert_eq!(
        one(&findings, "placement").what,
        "25 % of the model is on the CPU"
    );
    let others = one(&findings, "other_models");
    assert!(others.what.contains("qwen3:8b (6.0 GB)"), "{}", others.what);
    assert!(one(&findings, "gpu_users").what.contains("blender (pid 7"));
    for code in ["placement", "other_models", "gpu_users"] {
        assert_eq!(one(&findings, code).level, Level::Warning, "{code}");
    }
}

#[test]
fn a_server_that_holds_its_model_changes_the_protocol() {
    let mut there = there("llama.cpp");
    there.context_told = Some(512);
    there.options_not_sent = vec!["num_ctx", "num_gpu"];
    let findings = found(plan(), there, machine());
    assert!(one(&findings, "state").what.contains("`as left`"));
    assert!(one(&findings, "options").what.contains("num_ctx, num_gpu"));
    let context = one(&findings, "context");
    assert_eq!(context.level, Level::Warning, "{}", context.what);
    assert!(one(&findings, "memory").what.contains("in memory already"));
}

#[test]
fn keys_and_failures_of_the_probe_are_problems() {
    for (key_sent, words) in [(false, "wants a key"), (true, "refuses the key")] {
        let mut there = there("vllm");
        there.key_sent = key_sent;
        there.probe = Some(Probe {
            key_refused: true,
            failures: vec!["HTTP 401".to_owned()],
            ..probe(Slots::Unknown { why: String::new() })
        });
        let findings = found(plan(), there, machine());
        assert_eq!(one(&findings, "key").what, words);
        assert!(!findings.iter().any(|f| f.code == "generates"));
    }
    let mut there = there("ollama");
    there.probe = Some(Probe {
        failures: vec!["server busy".to_owned()],
        ..probe(Slots::Unknown {
            why: "no request completed".to_owned(),
        })
    });
    let findings = found(plan(), there, machine());
    let generates = one(&findings, "generates");
    assert_eq!(generates.level, Level::Problem);
    assert!(generates.what.contains("server busy"));
}

#[test]
fn a_keep_alive_that_ends_too_soon_is_a_warning() {
    for (seconds, level) in [
        (0.0, Level::Warning),
        (5.0, Level::Warning),
        (300.0, Level::Ok),
        (-1.0, Level::Ok),
    ] {
        let mut there = there("ollama");
        there.keep_alive_s = Some(seconds);
        let findings = found(plan(), there, machine());
        assert_eq!(one(&findings, "keep_alive").level, level, "{seconds}");
    }
}

#[test]
fn the_plan_and_the_machine_have_findings_of_their_own() {
    let mut asks = plan();
    asks.reloading = 1;
    asks.reloading_options = vec!["num_ctx"];
    asks.servers = 2;
    let machine = MachineFacts {
        warnings: vec!["governor is powersave".to_owned()],
        clock: Some(ClockFacts {
            step_ns: 40,
            oversleep_p99_ms: 12.0,
        }),
        files: Some(FileLimit {
            soft: Some(20),
            hard: Some(30),
        }),
        disk_free_bytes: Some(10_000_000),
        ..MachineFacts::default()
    };
    let findings = found(asks.clone(), there("ollama"), machine);
    for (code, level) in [
        ("reloads", Level::Note),
        ("endpoints", Level::Warning),
        ("conditions", Level::Warning),
        ("clock", Level::Warning),
        ("files", Level::Problem),
        ("disk", Level::Problem),
    ] {
        let finding = one(&findings, code);
        assert_eq!(finding.level, level, "{finding:?}");
        assert!(finding.todo.is_some(), "{finding:?}");
        assert_eq!(finding.server, None);
    }
    // A server that holds its model reloads nothing.
    let findings = found(asks, there("vllm"), MachineFacts::default());
    assert!(!findings.iter().any(|f| f.code == "reloads"));
}

#[test]
fn an_absent_server_is_a_problem_with_its_hint() {
    let findings = judge(&Facts {
        plan: plan(),
        servers: vec![ServerFacts {
            url: "http://127.0.0.1:1".to_owned(),
            local: true,
            state: ServerState::Absent {
                why: Absence::Unreachable,
                message: "connection refused".to_owned(),
                hint: Some("start it".to_owned()),
            },
        }],
        machine: None,
    });
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].level, Level::Problem);
    assert_eq!(findings[0].todo.as_deref(), Some("start it"));
}
