use std::path::Path;

use domain::Stamp;

use super::*;
use crate::fixture::{on_device, put, put_all};

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

fn machine(sys: &Path) {
    let drm = sys.join("class/drm");
    put_all(&drm, include_str!("machine.txt"));
    // Hotspot (36) and package power (0).
    let metrics = table(1, 3, 120, 112, 1 << 36 | 1);
    put(&drm, "card1/device/gpu_metrics", metrics);
    put(&drm, "card0/device/gpu_metrics", table(3, 0, 264, 120, 1));
}

fn pci_ids(folder: &Path) -> Vec<PathBuf> {
    let list = "1001  Kolter Electronic\n\t744c  Wrong\n1002  Advanced Micro Devices, Inc. [AMD/ATI]\n\
                \t7448  Navi 31 [Radeon Pro W7900]\n\t744c  Navi 31 [Radeon RX 7900 XTX]\n\
                \t\t1002 0e3b  A board\n1003  ULSI Systems\n\t164e  Wrong\n";
    put(folder, "pci.ids", list);
    vec![folder.join("missing.ids"), folder.join("pci.ids")]
}

#[test]
fn two_cards_are_read_in_their_own_units() {
    let root = tempfile::tempdir().unwrap();
    let (sys, proc) = (root.path().join("sys"), root.path().join("proc"));
    machine(&sys);
    put(&proc, "sys/kernel/osrelease", "6.8.0-45-generic\n");
    let mut gpus = under(&sys, &proc, &pci_ids(root.path())).unwrap();
    insta::assert_debug_snapshot!((gpus.source, (gpus.read)(None), gpus.facts));
}

#[test]
fn files_kept_open_are_read_anew_and_a_card_that_falls_silent_is_left_out() {
    let root = tempfile::tempdir().unwrap();
    let sys = root.path().join("sys");
    machine(&sys);
    let mut gpus = under(&sys, root.path(), &[]).unwrap();
    let busy = "class/drm/card1/device/gpu_busy_percent";
    assert_eq!((gpus.read)(None)[1].utilisation_percent, Some(97.0));
    put(&sys, busy, "4\n");
    assert_eq!((gpus.read)(None)[1].utilisation_percent, Some(4.0));
    put(&sys, busy, "\u{fffd}\n");
    assert_eq!((gpus.read)(None)[1].utilisation_percent, None);
    let device = sys.join("class/drm/card0/device");
    put(&device, "mem_info_vram_total", "");
    put(&device, "pp_dpm_sclk", "");
    put(&device, "hwmon/hwmon2/temp1_input", "");
    put(&device, "hwmon/hwmon2/power1_input", "");
    let indices: Vec<_> = (gpus.read)(None).iter().map(|r| r.index).collect();
    assert_eq!(indices, [1]);
}

#[test]
fn unreadable_quantities_are_noted() {
    let root = tempfile::tempdir().unwrap();
    let sys = root.path().join("sys");
    machine(&sys);
    let busy = sys.join("class/drm/card1/device/gpu_busy_percent");
    // A folder cannot be read as a file, not even by root.
    std::fs::remove_file(&busy).unwrap();
    std::fs::create_dir(&busy).unwrap();
    let mut gpus = under(&sys, root.path(), &[]).unwrap();
    let notes = gpus.source.notes().join("\n");
    let why = "no utilisation (gpu_busy_percent cannot be read";
    assert!(notes.contains(why), "{notes}");
    let reading = (gpus.read)(None).remove(1);
    assert_eq!(reading.utilisation_percent, None);
    assert_eq!(reading.power_w, Some(312.0));
}

#[test]
fn without_an_amd_device_the_reason_is_given() {
    let root = tempfile::tempdir().unwrap();
    let absent = |sys: &Path| under(sys, sys, &[]).err().unwrap();
    assert_eq!(absent(root.path()), "no AMD GPU here");
    let drm = root.path().join("class/drm");
    let others = "card0/device/vendor: 0x8086\ncard1/device/vendor: 0x1af4\ncard2/dev: 226:2";
    put_all(&drm, others);
    assert_eq!(absent(root.path()), "no AMD GPU here");
    let unused = "card3/device/vendor: 0x1002\ncard3/device/uevent: PCI_SLOT_NAME=0000:01:00.0";
    put_all(&drm, unused);
    let reason = absent(root.path());
    assert!(reason.contains("0000:01:00.0 uses no driver"), "{reason}");
}

#[test]
fn throttle_masks_are_read_only_from_tables_that_have_them() {
    let mask = 1 << 34 | 1 << 19 | 1 << 60;
    assert_eq!(throttle::bits(&table(1, 3, 120, 112, mask)), Ok(mask));
    assert_eq!(throttle::bits(&table(2, 2, 128, 120, mask)), Ok(mask));
    assert_eq!(throttle::bits(&table(2, 4, 160, 120, mask)), Ok(mask));
    assert_eq!(throttle::names(mask), ["tdc_vdd", "temp_mem", "bit_60"]);
    let others = throttle::names(1 << 7 | 1 << 23 | 1 << 47);
    assert_eq!(others, ["sppt_apu", "apcc", "prochot_gfx"]);
    for (bad, word) in [
        (Vec::new(), "empty"),
        (table(1, 1, 96, 88, mask), "revision 1.1"),
        (table(1, 4, 200, 112, mask), "revision 1.4"),
        (table(2, 1, 120, 112, mask), "revision 2.1"),
        (table(1, 3, 100, 92, mask), "cut off at 100 bytes"),
        (table(1, 3, 120, 112, mask)[..100].to_vec(), "cut off"),
        (table(1, 3, 120, 112, u64::MAX), "does not report"),
    ] {
        let why = throttle::bits(&bad).unwrap_err();
        assert!(why.contains(word), "{why}");
    }
}

#[test]
fn processes_on_a_card_are_counted_once_per_client() {
    let root = tempfile::tempdir().unwrap();
    let (sys, proc) = (root.path().join("sys"), root.path().join("proc"));
    machine(&sys);
    put_all(&proc, include_str!("processes.txt"));
    put_all(&sys.join("class/kfd/kfd"), include_str!("kfd.txt"));
    let mut gpus = under(&sys, &proc, &[]).unwrap();
    let expected = [(70, 3 << 20), (80, 8 << 30), (90, 1000)];
    let expected = expected.map(|(pid, bytes)| on_device(pid, Some(bytes)));
    let readings = (gpus.read)(None);
    assert_eq!(readings[1].processes, expected);
    assert!(readings[0].processes.is_empty());

    // At a rate, processes are listed once a second and looked for every ten.
    let at = |ms: u64| Stamp(ms * 1_000_000);
    let mut listed = |ms| (gpus.read)(Some(at(ms)))[1].processes.len();
    assert_eq!([listed(0), listed(100), listed(999)], [3, 0, 0]);
    let another = "fd 95 3 /dev/dri/renderD128\n95/fdinfo/3: drm-driver:\tamdgpu\\n\
                   drm-client-id:\t20\\ndrm-pdev:\t0000:03:00.0\\ndrm-memory-vram:\t2048 KiB";
    put_all(&proc, another);
    assert_eq!([listed(1000), listed(1900)], [3, 0]);
    assert_eq!(listed(10_000), 4);
}
