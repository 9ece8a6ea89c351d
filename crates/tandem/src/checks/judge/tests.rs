use domain::backend::{LoadedModel, ModelIdentity, ServerIdentity};

use super::super::facts::{ClockFacts, GpuFacts};
use super::super::memory::Shape;
use super::super::slots::{Probe, Slots};
use super::*;
use crate::descriptors::FileLimit;

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

fn report(kind: &str) -> ServerReport {
    let ollama = kind == "ollama";
    ServerReport {
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
        slots_reported: None,
        context_reported: None,
        options_not_sent: Vec::new(),
        architecture: Some("gemma3".to_owned()),
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
        tokens_per_s_alone: Some(50.0),
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

struct World {
    plan: PlanFacts,
    report: ServerReport,
    machine: MachineFacts,
}

/// The findings about an Ollama server, after `set` has changed the facts.
fn case(name: &str, set: impl FnOnce(&mut World)) -> String {
    case_of("ollama", name, set)
}

fn case_of(kind: &str, name: &str, set: impl FnOnce(&mut World)) -> String {
    let mut world = World {
        plan: plan(),
        report: report(kind),
        machine: machine(),
    };
    set(&mut world);
    let server = ServerFacts {
        url: "http://127.0.0.1:1".to_owned(),
        local: !name.contains("elsewhere"),
        state: ServerState::Answers(Box::new(world.report)),
    };
    findings(name, world.plan, server, Some(world.machine))
}

/// The findings in lines: level, code, text and fix.
fn findings(
    name: &str,
    plan: PlanFacts,
    server: ServerFacts,
    machine: Option<MachineFacts>,
) -> String {
    let findings = judge(&Facts {
        plan,
        servers: vec![server],
        machine,
    });
    let lines = findings.iter().map(|f| {
        let of = f.server.map_or("machine", |_| "server");
        let todo = f.todo.as_ref();
        let todo = todo.map_or_else(String::new, |todo| format!("\n    -> {todo}"));
        format!("  {:?} {} ({of}): {}{todo}\n", f.level, f.code, f.what)
    });
    format!("{name}\n{}", lines.collect::<String>())
}

fn model(name: &str, size: u64, vram: u64) -> LoadedModel {
    LoadedModel {
        name: name.to_owned(),
        size_bytes: Some(size),
        size_vram_bytes: Some(vram),
        context_length: Some(1024),
        expires_at: None,
    }
}

fn gpu(bytes: u64) -> GpuFacts {
    GpuFacts {
        name: "G".to_owned(),
        memory_total_bytes: Some(bytes),
        ..GpuFacts::default()
    }
}

#[test]
fn servers() {
    let mut all = vec![
        case("a good server on a quiet machine", |w| {
            w.report.probe = Some(probe(Slots::Exactly { n: 2 }));
            w.report.keep_alive_s = Some(300.0);
        }),
        case("a missing model ends the checks", |w| {
            w.report.model = None;
            w.report.has = ["llama3.2:1b", "gemma3:4b", "gema3:latest", "qwen3:8b"]
                .map(str::to_owned)
                .into();
        }),
        case("partly on the CPU, and other users", |w| {
            w.report.loaded = Some(model("gemma3:latest", 4_000_000_000, 3_000_000_000));
            w.report.loaded_before = Some(vec![model("qwen3:8b", 6_000_000_000, 6_000_000_000)]);
            w.machine.gpus = vec![GpuFacts {
                memory_used_bytes: Some(8_000_000_000),
                others: vec!["blender (pid 7, 1.0 GB)".to_owned()],
                ..gpu(12_000_000_000)
            }];
        }),
        case_of("llama.cpp", "it always keeps its model loaded", |w| {
            w.report.context_reported = Some(512);
            w.report.options_not_sent = vec!["num_ctx", "num_gpu"];
        }),
        case("requests fail", |w| {
            w.report.probe = Some(Probe {
                failures: vec!["server busy".to_owned()],
                ..probe(Slots::Unknown {
                    why: "no request completed".to_owned(),
                })
            });
        }),
    ];
    for key_sent in [false, true] {
        all.push(case_of("vllm", "the key is refused", |w| {
            w.report.key_sent = key_sent;
            w.report.probe = Some(Probe {
                key_refused: true,
                failures: vec!["HTTP 401".to_owned()],
                ..probe(Slots::Unknown { why: String::new() })
            });
        }));
    }
    for seconds in [0.0, 5.0, 300.0, -1.0] {
        all.push(case("keep-alive", |w| {
            w.report.keep_alive_s = Some(seconds);
        }));
    }
    let absent = ServerFacts {
        url: "http://127.0.0.1:1".to_owned(),
        local: true,
        state: ServerState::Absent {
            why: Absence::Unreachable,
            message: "connection refused".to_owned(),
            hint: Some("start it".to_owned()),
        },
    };
    all.push(findings("no answer", plan(), absent, None));
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn slots() {
    let mut all = Vec::new();
    for kind in [
        "ollama",
        "llama.cpp",
        "vllm",
        "sglang",
        "ollama /v1",
        "openai-compatible",
    ] {
        all.push(case_of(kind, &format!("one slot of {kind}"), |w| {
            w.report.probe = Some(probe(Slots::Exactly { n: 1 }));
        }));
    }
    // Ollama serves some families one request at a time at any OLLAMA_NUM_PARALLEL.
    for family in ["qwen3vlmoe", "nemotron_h", "mllama", "llama"] {
        all.push(case(&format!("one slot of the family {family}"), |w| {
            w.report.architecture = Some(family.to_owned());
            w.report.probe = Some(probe(Slots::Exactly { n: 1 }));
        }));
    }
    all.push(case("no probe", |_| {}));
    // Three requests cannot fill more than three slots.
    for (reported, shown) in [
        (2, Slots::Exactly { n: 2 }),
        (2, Slots::Exactly { n: 1 }),
        (1, Slots::Exactly { n: 2 }),
        (8, Slots::AtLeast { n: 3 }),
        (4, Slots::Exactly { n: 2 }),
        (2, Slots::AtLeast { n: 3 }),
    ] {
        let name = format!("says {reported}, shows {shown:?}");
        all.push(case_of("llama.cpp", &name, |w| {
            w.report.slots_reported = Some(reported);
            w.report.probe = Some(probe(shown));
        }));
    }
    insta::assert_snapshot!(all.join("\n"));
}

/// Memory is compared with the GPU, else with the host: 3.0 GB, and 0.2 or 6.6 GB of cache.
#[test]
fn memory() {
    let shape = Shape {
        values_per_token: 100_000,
        layers: 30,
        context: Some(8192),
        windowed: false,
    };
    let needs = |report: &mut ServerReport, context, slots| {
        report.need = Some(Need::of(3_000_000_000, &shape, Some(context), Some(slots)));
        report.shape = Some(shape.clone());
    };
    let all = [
        case("fits the host", |w| {
            needs(&mut w.report, 1024, 1);
        }),
        case("fits the GPU", |w| {
            needs(&mut w.report, 1024, 1);
            w.machine.gpus = vec![gpu(6_000_000_000)];
        }),
        case("more than the GPU has", |w| {
            needs(&mut w.report, 1024, 1);
            w.machine.gpus = vec![gpu(3_500_000_000)];
        }),
        case("more than the host has", |w| {
            needs(&mut w.report, 8192, 4);
        }),
        case("what is loaded holds its memory already", |w| {
            needs(&mut w.report, 8192, 4);
            w.report.loaded_before = Some(vec![model("gemma3:latest", 9_000_000_000, 0)]);
        }),
        case("elsewhere", |w| needs(&mut w.report, 8192, 4)),
        case("on a GPU that is not seen here", |w| {
            needs(&mut w.report, 1024, 1);
            w.report.loaded = Some(model("gemma3:latest", 4_000_000_000, 4_000_000_000));
        }),
        case_of("tandem-simulator", "on a simulated GPU", |w| {
            needs(&mut w.report, 1024, 1);
            w.report.loaded = Some(model("gemma3:latest", 4_000_000_000, 4_000_000_000));
            w.machine.gpus = vec![gpu(3_500_000_000)];
        }),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn plan_and_machine() {
    let reloads = |plan: &mut PlanFacts| {
        plan.reloading = 1;
        plan.reloading_options = vec!["num_ctx"];
        plan.servers = 2;
    };
    let all = [
        case("everything is in the way", |w| {
            reloads(&mut w.plan);
            w.machine = MachineFacts {
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
        }),
        case_of("vllm", "it holds its model and reloads nothing", |w| {
            reloads(&mut w.plan);
            w.machine = MachineFacts::default();
        }),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn servers_on_one_gpu_need_their_memory_together() {
    let server = |bytes| {
        let mut report = report("ollama");
        report.loaded = Some(model("gemma3:latest", bytes, bytes));
        ServerFacts {
            url: "http://127.0.0.1:1".to_owned(),
            local: true,
            state: ServerState::Answers(Box::new(report)),
        }
    };
    let together = |gpu_bytes, servers| {
        let findings = judge(&Facts {
            plan: PlanFacts { servers, ..plan() },
            servers: vec![server(4_700_000_000), server(4_700_000_000)],
            machine: Some(MachineFacts {
                gpus: vec![gpu(gpu_bytes)],
                ..machine()
            }),
        });
        let found = findings.into_iter().find(|f| f.code == "memory_together");
        found.map(|f| (f.level, f.what))
    };
    let needs = "2 servers on this machine need 9.4 GB together (4.7 GB + 4.7 GB)";
    let spills = format!("{needs} of 8.0 GB on the GPU: part of a model will run on the CPU");
    assert_eq!(together(8_000_000_000, 2), Some((Level::Warning, spills)));
    let fits = format!("{needs} of 16.0 GB on the GPU");
    assert_eq!(together(16_000_000_000, 2), Some((Level::Ok, fits)));
    // A plan that uses one of them loads one model.
    assert_eq!(together(8_000_000_000, 1), None);
}
