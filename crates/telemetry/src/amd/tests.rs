use std::path::Path;

use domain::telemetry::GpuProcess;

use super::*;
use crate::fixture::{Process, open_file, put};

/// A `gpu_metrics` table of some revision with a mask at some place.
fn table(format: u8, content: u8, size: usize, at: usize, mask: u64) -> Vec<u8> {
    let mut table = vec![0; size];
    table[..2].copy_from_slice(&(size as u16).to_le_bytes());
    table[2] = format;
    table[3] = content;
    if at + 8 <= size {
        table[at..at + 8].copy_from_slice(&mask.to_le_bytes());
    }
    table
}

/// A machine with a discrete card, an integrated one, an Intel one, a virtual one, an AMD card
/// that was handed to a virtual machine, and a screen.
fn machine(sys: &Path) {
    let drm = sys.join("class/drm");
    for (path, content) in [
        // The discrete card is number 1, as on many laptops.
        ("card1/device/vendor", "0x1002\n"),
        ("card1/device/device", "0x744c\n"),
        (
            "card1/device/uevent",
            "DRIVER=amdgpu\nPCI_ID=1002:744C\nPCI_SLOT_NAME=0000:03:00.0\n",
        ),
        ("card1/device/gpu_busy_percent", "97\n"),
        ("card1/device/mem_info_vram_total", "25753026560\n"),
        ("card1/device/mem_info_vram_used", "9663676416\n"),
        (
            "card1/device/pp_dpm_sclk",
            "0: 500Mhz \n1: 2371Mhz *\n2: 2526Mhz \n",
        ),
        ("card1/device/pp_dpm_mclk", "0: 96Mhz \n1: 1249Mhz *\n"),
        ("card1/device/current_link_speed", "16.0 GT/s PCIe\n"),
        ("card1/device/current_link_width", "16\n"),
        ("card1/device/hwmon/hwmon5/temp1_input", "61000\n"),
        ("card1/device/hwmon/hwmon5/power1_average", "312000000\n"),
        ("card1/device/hwmon/hwmon5/power1_cap", "355000000\n"),
        ("card1/device/hwmon/hwmon5/freq1_input", "2482000000\n"),
        ("card1/device/hwmon/hwmon5/freq1_label", "sclk\n"),
        ("card1/device/hwmon/hwmon5/freq2_input", "1249000000\n"),
        ("card1/device/hwmon/hwmon5/freq2_label", "mclk\n"),
        ("card1-DP-1/status", "connected\n"),
        // The integrated one tells less, and some of it is garbage.
        ("card0/device/vendor", "0x1002\n"),
        ("card0/device/device", "0x164e\n"),
        (
            "card0/device/uevent",
            "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:0f:00.0\n",
        ),
        ("card0/device/gpu_busy_percent", "busy\n"),
        ("card0/device/mem_info_vram_total", "536870912\n"),
        ("card0/device/mem_info_vram_used", ""),
        ("card0/device/pp_dpm_sclk", "0: 400Mhz *\n1: 2200Mhz \n"),
        ("card0/device/pp_dpm_mclk", "0: 1000Mhz \n1: 2400Mhz \n"),
        ("card0/device/hwmon/hwmon2/temp1_input", "-5000\n"),
        ("card0/device/hwmon/hwmon2/power1_input", "28500000\n"),
        ("card2/device/vendor", "0x8086\n"),
        ("card2/device/uevent", "DRIVER=i915\n"),
        ("card2/device/gpu_busy_percent", "3\n"),
        ("card3/dev", "226:3\n"),
        ("card4/device/vendor", "0x1002\n"),
        (
            "card4/device/uevent",
            "DRIVER=vfio-pci\nPCI_SLOT_NAME=0000:0b:00.0\n",
        ),
    ] {
        put(&drm, path, content);
    }
    // Hotspot (36) and package power (0).
    let metrics = table(1, 3, 120, 112, 1 << 36 | 1);
    put(&drm, "card1/device/gpu_metrics", metrics);
    put(&drm, "card0/device/gpu_metrics", table(3, 0, 264, 120, 1));
}

fn pci_ids(folder: &Path) -> Vec<PathBuf> {
    put(
        folder,
        "pci.ids",
        "1001  Kolter Electronic\n\t744c  Wrong\n1002  Advanced Micro Devices, Inc. [AMD/ATI]\n\
         \t7448  Navi 31 [Radeon Pro W7900]\n\t744c  Navi 31 [Radeon RX 7900 XTX]\n\
         \t\t1002 0e3b  A board\n1003  ULSI Systems\n\t164e  Wrong\n",
    );
    vec![folder.join("missing.ids"), folder.join("pci.ids")]
}

#[test]
fn two_cards_are_told_apart_and_read_in_their_units() {
    let root = tempfile::tempdir().unwrap();
    let (sys, proc) = (root.path().join("sys"), root.path().join("proc"));
    machine(&sys);
    put(&proc, "sys/kernel/osrelease", "6.8.0-45-generic\n");
    let mut sampler = AmdSampler::under(&sys, &proc, &pci_ids(root.path())).unwrap();
    let GpuSource::Amd {
        driver,
        devices,
        notes,
    } = sampler.source()
    else {
        panic!("an AMD sampler reads AMD devices");
    };
    assert_eq!(driver, "amdgpu of kernel 6.8.0-45-generic");
    assert_eq!(
        devices,
        ["AMD GPU 1002:164e", "AMD Navi 31 [Radeon RX 7900 XTX]"]
    );
    let readings = sampler.sample();
    let expected = GpuReading {
        index: 1,
        utilisation_percent: Some(97.0),
        memory_used_bytes: Some(9_663_676_416),
        memory_total_bytes: Some(25_753_026_560),
        power_w: Some(312.0),
        sm_clock_mhz: Some(2482),
        memory_clock_mhz: Some(1249),
        temperature_c: Some(61.0),
        throttle_reasons: vec!["ppt0".to_owned(), "temp_hotspot".to_owned()],
        ..GpuReading::default()
    };
    assert_eq!(readings[1], expected);
    let integrated = GpuReading {
        index: 0,
        memory_total_bytes: Some(536_870_912),
        power_w: Some(28.5),
        sm_clock_mhz: Some(400),
        temperature_c: Some(-5.0),
        ..GpuReading::default()
    };
    assert_eq!(readings[0], integrated);
    let all = notes.join("\n");
    for line in [
        "AMD GPU 1002:164e: no utilisation (gpu_busy_percent holds `busy`)",
        "AMD GPU 1002:164e: no memory in use (mem_info_vram_used holds ``)",
        "AMD GPU 1002:164e: no memory clock (pp_dpm_mclk holds `0: 1000Mhz",
        "AMD GPU 1002:164e: no throttle reasons (gpu_metrics: revision 3.0 holds no throttle",
        "AMD Navi 31 [Radeon RX 7900 XTX]: no energy counter (energy1_input is not there)",
        "the AMD device 0000:0b:00.0 is driven by vfio-pci",
    ] {
        assert!(all.contains(line), "{line} in\n{all}");
    }
    let facts = sampler.facts();
    assert_eq!(facts["gpu_1_power_limit"], "355 W");
    assert_eq!(facts["gpu_1_link"], "16.0 GT/s PCIe x16");
    assert_eq!(facts["gpu_0_pci"], "0000:0f:00.0");
}

#[test]
fn files_kept_open_are_read_anew_and_a_card_that_falls_silent_is_left_out() {
    let root = tempfile::tempdir().unwrap();
    let sys = root.path().join("sys");
    machine(&sys);
    let mut sampler = AmdSampler::under(&sys, root.path(), &[]).unwrap();
    let busy = "class/drm/card1/device/gpu_busy_percent";
    assert_eq!(sampler.sample()[1].utilisation_percent, Some(97.0));
    put(&sys, busy, "4\n");
    assert_eq!(sampler.sample()[1].utilisation_percent, Some(4.0));
    put(&sys, busy, "\u{fffd}\n");
    assert_eq!(sampler.sample()[1].utilisation_percent, None);
    let device = sys.join("class/drm/card0/device");
    for file in [
        "mem_info_vram_total",
        "pp_dpm_sclk",
        "hwmon/hwmon2/temp1_input",
        "hwmon/hwmon2/power1_input",
    ] {
        put(&device, file, "");
    }
    let indices: Vec<_> = sampler.sample().iter().map(|r| r.index).collect();
    assert_eq!(indices, [1]);
}

#[test]
fn what_may_not_be_read_is_noted() {
    let root = tempfile::tempdir().unwrap();
    let sys = root.path().join("sys");
    machine(&sys);
    let busy = sys.join("class/drm/card1/device/gpu_busy_percent");
    // A folder cannot be read as a file by anybody, root included.
    std::fs::remove_file(&busy).unwrap();
    std::fs::create_dir(&busy).unwrap();
    let mut sampler = AmdSampler::under(&sys, root.path(), &[]).unwrap();
    let notes = sampler.source().notes().join("\n");
    assert!(
        notes.contains("no utilisation (gpu_busy_percent cannot be read"),
        "{notes}"
    );
    assert_eq!(sampler.sample()[1].utilisation_percent, None);
    assert_eq!(sampler.sample()[1].power_w, Some(312.0));
}

#[test]
fn no_amd_device_is_an_absence_with_a_reason() {
    let root = tempfile::tempdir().unwrap();
    let absent = |sys: &Path| AmdSampler::under(sys, sys, &[]).unwrap_err().reason;
    assert_eq!(absent(root.path()), "no AMD GPU here");
    for (path, content) in [
        ("card0/device/vendor", "0x8086\n"),
        ("card1/device/vendor", "0x1af4\n"),
        ("card2/dev", "226:2\n"),
    ] {
        put(&root.path().join("class/drm"), path, content);
    }
    assert_eq!(absent(root.path()), "no AMD GPU here");
    let drm = root.path().join("class/drm");
    put(&drm, "card3/device/vendor", "0x1002\n");
    put(&drm, "card3/device/uevent", "PCI_SLOT_NAME=0000:01:00.0\n");
    let reason = absent(root.path());
    assert!(
        reason.contains("0000:01:00.0 is driven by no driver"),
        "{reason}"
    );
}

#[test]
fn throttle_masks_are_read_only_from_tables_that_have_them() {
    let mask = 1 << 34 | 1 << 19 | 1 << 60;
    assert_eq!(throttle::bits(&table(1, 3, 120, 112, mask)), Ok(mask));
    assert_eq!(throttle::bits(&table(2, 2, 128, 120, mask)), Ok(mask));
    assert_eq!(throttle::bits(&table(2, 4, 160, 120, mask)), Ok(mask));
    assert_eq!(throttle::names(mask), ["tdc_vdd", "temp_mem", "bit_60"]);
    for (bad, word) in [
        (Vec::new(), "empty"),
        (table(1, 1, 96, 88, mask), "revision 1.1"),
        (table(1, 4, 200, 112, mask), "revision 1.4"),
        (table(2, 1, 120, 112, mask), "revision 2.1"),
        (table(1, 3, 100, 92, mask), "cut off at 100 bytes"),
        (table(1, 3, 120, 112, mask)[..100].to_vec(), "cut off"),
        (table(1, 3, 120, 112, u64::MAX), "does not tell"),
    ] {
        let why = throttle::bits(&bad).unwrap_err();
        assert!(why.contains(word), "{why}");
    }
}

/// What the kernel writes for an open file of a device.
fn description(slot: &str, client: u32, memory: &str) -> String {
    format!(
        "pos:\t0\nflags:\t02100002\ndrm-driver:\tamdgpu\ndrm-client-id:\t{client}\n\
         drm-pdev:\t{slot}\n{memory}\ndrm-engine-gfx:\t123 ns\n"
    )
}

#[test]
fn processes_on_a_card_are_counted_once_per_client() {
    let root = tempfile::tempdir().unwrap();
    let (sys, proc) = (root.path().join("sys"), root.path().join("proc"));
    machine(&sys);
    let open = |pid: u32, fd: u32, text: &str| {
        open_file(&proc, pid, fd, "/dev/dri/renderD128");
        put(&proc, &format!("{pid}/fdinfo/{fd}"), text);
    };
    Process::new(70, 1, "compositor").put(&proc);
    Process::new(80, 1, "ollama").put(&proc);
    let card = "0000:03:00.0";
    let memory = "drm-memory-vram:\t2048 KiB";
    open(70, 5, &description(card, 11, memory));
    // The same client under another number, another client, and another driver's.
    open(70, 6, &description(card, 11, memory));
    open(70, 7, &description(card, 12, "drm-memory-vram:\t1 MiB"));
    open(70, 8, "drm-driver:\ti915\ndrm-pdev:\t0000:00:02.0\n");
    // A newer kernel tells both keys; garbage counts for nothing.
    let both = "drm-total-vram:\t9 MiB\ndrm-resident-vram:\t3145728";
    open(80, 4, &description(card, 13, both));
    open(80, 9, &description(card, 14, "drm-memory-vram:\t1 parsec"));
    open_file(&proc, 80, 10, "/etc/passwd");
    // KFD counts the compute memory of 80 and of a process whose files are hidden.
    for (path, content) in [
        ("topology/nodes/0/gpu_id", "0\n"),
        ("topology/nodes/0/properties", "cpu_cores_count 16\n"),
        ("topology/nodes/1/gpu_id", "45678\n"),
        (
            "topology/nodes/1/properties",
            "simd_count 192\nlocation_id 768\ndomain 0\n",
        ),
        ("proc/80/vram_45678", "8589934592\n"),
        ("proc/90/vram_45678", "1000\n"),
        ("proc/91/vram_45678", "0\n"),
    ] {
        put(&sys.join("class/kfd/kfd"), path, content);
    }
    let mut sampler = AmdSampler::under(&sys, &proc, &[]).unwrap();
    let process = |pid, bytes| GpuProcess {
        pid,
        memory_bytes: Some(bytes),
        ..GpuProcess::default()
    };
    let expected = [
        process(70, 3 << 20),
        process(80, 8 << 30),
        process(90, 1000),
    ];
    let readings = sampler.sample();
    assert_eq!(readings[1].processes, expected);
    assert!(readings[0].processes.is_empty());

    // At a rate, processes are listed once a second and looked for every ten.
    let at = |ms: u64| Stamp(ms * 1_000_000);
    let mut listed = |ms| sampler.sample_at(at(ms))[1].processes.len();
    assert_eq!([listed(0), listed(100), listed(999)], [3, 0, 0]);
    open(95, 3, &description(card, 20, memory));
    assert_eq!([listed(1000), listed(1900)], [3, 0]);
    assert_eq!(listed(10_000), 4);
}
