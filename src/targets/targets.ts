/** Where generated C can be run: the host, other computers and microcontrollers under QEMU, and AVR under simavr. */
import { InputError } from '../base/errors.ts';
import { type InstructionSet, instructionSets } from '../ir/kernel/primitive.ts';
import { didYouMean } from '../text/nearest.ts';
import type { Core } from './cycle-model.ts';
import type { ToolName } from './tools.ts';

export interface Region {
  readonly origin: number;
  readonly bytes: number;
}

export interface MemoryMap {
  readonly rom: Region;
  readonly ram: Region;
  readonly stackBytes: number;
  /** QEMU's options for a machine with this memory. */
  readonly qemu?: readonly string[];
}

/** A serial port: its driver in targets/uart.c, and where its registers are. */
export interface Uart {
  readonly driver: 'CMSDK' | 'NRF51' | 'SIFIVE' | 'NS16550';
  readonly address: number;
}

/** simavr counts cycles, as the chip takes them. */
export interface AvrMachine {
  readonly kind: 'simavr';
  readonly mcu: string;
  readonly memory: MemoryMap;
  readonly enlarged?: MemoryMap;
  /** Of a function's return: more where the program counter has three bytes. */
  readonly returnCycles: number;
}

/** QEMU counts instructions. */
export interface QemuMachine {
  readonly kind: 'qemu';
  readonly qemu: ToolName;
  readonly args: readonly string[];
  /** The reset code, below targets/. */
  readonly start: 'start_cm.c' | 'start_rv.c' | 'start_lx.c';
  /** The linker's script, below targets/. */
  readonly script: 'lab.ld' | 'lab_lx.ld';
  /** QEMU's user mode: the same instructions, no devices, no memory protection. */
  readonly user: boolean;
  readonly memory: MemoryMap;
  /** The board's first; absent in user mode. */
  readonly uart?: Uart;
  /** The same chip with more memory than it has, for programs that do not fit. */
  readonly enlarged?: MemoryMap;
}

export type Machine = QemuMachine | AvrMachine;

export interface Target {
  readonly title: string;
  readonly compiler: ToolName;
  /** What selects the chip. */
  readonly flags: readonly string[];
  /** Of which cycles are modelled. */
  readonly core?: Core;
  /** Of the chip as it usually runs; on targets of which cycles are known. */
  readonly clockHz?: number;
  /** Absent: a process of the host, or of Linux on the computer that `emulator` emulates. */
  readonly machine?: Machine;
  readonly emulator?: ToolName;
  /** Elements of several bytes begin with the highest; absent: with the lowest. */
  readonly bigEndian?: true;
}

/** Whether it is this computer, where sanitizers are. */
export const isHost = ({ machine, emulator }: Target): boolean =>
  machine === undefined && emulator === undefined;

const chipsWith: Readonly<Record<InstructionSet, RegExp>> = {
  mve: /^-mcpu=cortex-m55$/,
  dsp: /^-mcpu=cortex-m(4|7|33|55)$/,
  v6m: /^-mcpu=cortex-m(0|0plus|1)$/,
  rv32: /^-march=rv32i/,
};

/** Which instruction sets that kernels have forms for the chip has. */
export const setsOn = ({ flags }: Target): readonly InstructionSet[] =>
  instructionSets.filter((set) => flags.some((flag) => chipsWith[set].test(flag)));

const kib = 1024;
const region = (origin: number, bytes: number): Region => ({ origin, bytes });
const map = (rom: Region, ram: Region, stackBytes = 16 * kib): MemoryMap => ({ rom, ram, stackBytes });

/** Arm's MPS2 boards. */
const mps2 = map(region(0, 4096 * kib), region(0x2000_0000, 4096 * kib));
/** Boards that begin in the secure state are linked to the secure aliases. */
const mps2Secure = map(region(0x1000_0000, 4096 * kib), region(0x3800_0000, 4096 * kib));
/** The M55 runs from its 512 KiB of ITCM. */
const mps3 = map(region(0x1000_0000, 512 * kib), region(0x3100_0000, 4096 * kib));
const userMap = map(region(0x10_0000, 16384 * kib), region(0x2000_0000, 16384 * kib));
const microbit = map(region(0, 256 * kib), region(0x2000_0000, 16 * kib), 2 * kib);
const microbitEnlarged: MemoryMap = {
  ...map(region(0, 4096 * kib), region(0x2000_0000, 1024 * kib)),
  qemu: ['-global', 'nrf51-soc.sram-size=0x100000', '-global', 'nrf51-soc.flash-size=0x400000'],
};
const sifive = map(region(0x2040_0000, 0x1fc0_0000), region(0x8000_0000, 16 * kib), 2 * kib);
/** A locked hole of 2 MiB lies below the stack, so that an overflow traps. */
const virt = map(region(0x8000_0000, 2048 * kib), region(0x8040_0000, 4096 * kib));

/** An ESP8266's; QEMU's core has more RAM around it. */
const esp8266 = map(region(0x4020_1000, 1020 * kib), region(0x3ffe_8000, 80 * kib), 4 * kib);
const esp8266Enlarged = map(region(0x4020_1000, 1020 * kib), region(0x3ff8_0000, 512 * kib));

const cmsdk = (address: number): Uart => ({ driver: 'CMSDK', address });

const arm = (board: string, memory: MemoryMap, uart: Uart, enlarged?: MemoryMap): QemuMachine => ({
  kind: 'qemu',
  qemu: 'qemu-system-arm',
  args: ['-M', board],
  start: 'start_cm.c',
  script: 'lab.ld',
  user: false,
  memory,
  uart,
  ...(enlarged ? { enlarged } : {}),
});

const nrf51 = arm('microbit', microbit, { driver: 'NRF51', address: 0x4000_2000 }, microbitEnlarged);

const riscv = (args: readonly string[], memory: MemoryMap, uart: Uart): QemuMachine => ({
  kind: 'qemu',
  qemu: 'qemu-system-riscv32',
  args,
  start: 'start_rv.c',
  script: 'lab.ld',
  user: false,
  memory,
  uart,
});

/** QEMU 7.2 cannot run M-profile processors in user mode; `max` executes the same Thumb, DSP and VFP code. */
const armUser: QemuMachine = {
  kind: 'qemu',
  qemu: 'qemu-arm',
  args: ['-cpu', 'max'],
  start: 'start_cm.c',
  script: 'lab.ld',
  user: true,
  memory: userMap,
};
const riscvUser: QemuMachine = {
  kind: 'qemu',
  qemu: 'qemu-riscv32',
  args: ['-cpu', 'rv32'],
  start: 'start_rv.c',
  script: 'lab.ld',
  user: true,
  memory: userMap,
};
const lx106: QemuMachine = {
  kind: 'qemu',
  qemu: 'qemu-system-xtensa',
  args: ['-M', 'sim', '-cpu', 'lx106'],
  start: 'start_lx.c',
  script: 'lab_lx.ld',
  user: false,
  memory: esp8266,
  enlarged: esp8266Enlarged,
};

const m0 = ['-mthumb', '-mcpu=cortex-m0', '-mfloat-abi=soft'];
const m3 = ['-mthumb', '-mcpu=cortex-m3', '-mfloat-abi=soft'];
const m4 = ['-mthumb', '-mcpu=cortex-m4', '-mfpu=fpv4-sp-d16', '-mfloat-abi=hard'];
const m7 = ['-mthumb', '-mcpu=cortex-m7', '-mfpu=fpv5-sp-d16', '-mfloat-abi=hard'];
const m33 = ['-mthumb', '-mcpu=cortex-m33', '-mfpu=fpv5-sp-d16', '-mfloat-abi=hard'];
const m55 = ['-mthumb', '-mcpu=cortex-m55', '-mfloat-abi=hard'];
const rv32imc = ['-march=rv32imc', '-mabi=ilp32'];
const rv32imac = ['-march=rv32imac', '-mabi=ilp32'];

const armTarget = (title: string, flags: readonly string[], machine: Machine): Target => ({
  title,
  compiler: 'arm-none-eabi-gcc',
  flags,
  machine,
});
const MHz = 1e6;
const timed = (target: Target, core: Core, clockHz: number): Target => ({ ...target, core, clockHz });
const avrTarget = (title: string, machine: AvrMachine): Target => ({
  title,
  compiler: 'avr-gcc',
  flags: [`-mmcu=${machine.mcu}`],
  clockHz: 16 * MHz,
  machine,
});
const riscvTarget = (title: string, flags: readonly string[], machine: Machine): Target => ({
  title,
  compiler: 'riscv64-unknown-elf-gcc',
  flags,
  machine,
});
const linuxTarget = (title: string, gcc: ToolName, emulator: ToolName): Target => ({
  title,
  compiler: gcc,
  flags: ['-static'],
  emulator,
});

export const targets = {
  'host-gcc': { title: 'this computer, gcc', compiler: 'gcc', flags: [] },
  'host-clang': { title: 'this computer, clang', compiler: 'clang', flags: [] },
  // An nRF51's clock, an STM32F1's and an STM32F401's.
  'cortex-m0': timed(armTarget('Cortex-M0, micro:bit', m0, nrf51), 'Cortex-M0', 16 * MHz),
  'cortex-m3': timed(
    armTarget('Cortex-M3, MPS2 AN385', m3, arm('mps2-an385', mps2, cmsdk(0x4000_4000))),
    'Cortex-M3',
    72 * MHz,
  ),
  'cortex-m4': timed(
    armTarget('Cortex-M4F, MPS2 AN386', m4, arm('mps2-an386', mps2, cmsdk(0x4000_4000))),
    'Cortex-M4',
    84 * MHz,
  ),
  'cortex-m7': armTarget('Cortex-M7F, MPS2 AN500', m7, arm('mps2-an500', mps2, cmsdk(0x4000_4000))),
  'cortex-m33': armTarget('Cortex-M33F, MPS2 AN505', m33, arm('mps2-an505', mps2Secure, cmsdk(0x5020_0000))),
  'cortex-m55': armTarget(
    'Cortex-M55 with MVE, MPS3 AN547',
    m55,
    arm('mps3-an547', mps3, cmsdk(0x5930_3000)),
  ),
  rv32imc: riscvTarget('RV32IMC, QEMU virt', [...rv32imc, '-DLAB_PMP_GUARD=0x80200000u'], {
    ...riscv(['-M', 'virt', '-bios', 'none'], virt, { driver: 'NS16550', address: 0x1000_0000 }),
  }),
  fe310: riscvTarget(
    'FE310, SiFive E',
    rv32imac,
    riscv(['-M', 'sifive_e'], sifive, { driver: 'SIFIVE', address: 0x1001_3000 }),
  ),
  // Of the same instructions as an M0; the clock is an RP2040's.
  'cortex-m0plus': timed(
    armTarget('Cortex-M0+, as a micro:bit', ['-mthumb', '-mcpu=cortex-m0plus', '-mfloat-abi=soft'], nrf51),
    'Cortex-M0+',
    125 * MHz,
  ),
  'cortex-m0-user': armTarget('Cortex-M0 code in user mode', m0, armUser),
  'cortex-m3-user': armTarget('Cortex-M3 code in user mode', m3, armUser),
  'cortex-m4-user': armTarget('Cortex-M4F code in user mode', m4, armUser),
  'cortex-m7-user': armTarget('Cortex-M7F code in user mode', m7, armUser),
  'cortex-m33-user': armTarget('Cortex-M33F code in user mode', m33, armUser),
  'rv32imac-user': riscvTarget('RV32IMAC code in user mode', rv32imac, riscvUser),
  atmega328p: avrTarget('ATmega328P, Arduino Uno', {
    kind: 'simavr',
    mcu: 'atmega328p',
    memory: map(region(0, 32 * kib), region(0x100, 2 * kib), 0),
    returnCycles: 4,
  }),
  atmega2560: avrTarget('ATmega2560', {
    kind: 'simavr',
    mcu: 'atmega2560',
    memory: map(region(0, 256 * kib), region(0x200, 8 * kib), 0),
    enlarged: map(region(0, 256 * kib), region(0x200, 0xfe00), 0),
    returnCycles: 5,
  }),
  esp8266: {
    title: 'ESP8266, QEMU lx106',
    compiler: 'xtensa-lx106-elf-gcc',
    flags: ['-mlongcalls'],
    machine: lx106,
  },
  aarch64: linuxTarget('AArch64, Linux', 'aarch64-linux-gnu-gcc', 'qemu-aarch64'),
  rv64: linuxTarget('RISC-V 64, Linux', 'riscv64-linux-gnu-gcc', 'qemu-riscv64'),
  ppc: {
    ...linuxTarget('PowerPC, big-endian, Linux', 'powerpc-linux-gnu-gcc', 'qemu-ppc'),
    bigEndian: true,
  },
} as const satisfies Record<string, Target>;

/** The host, or a chip. */
export type TargetName = keyof typeof targets;

/** The host, and the chips whose programs can be run. */
export const targetNames = Object.keys(targets) as readonly TargetName[];

/** The chips that are run where none is named. */
export const chips: readonly TargetName[] = targetNames.filter((name) =>
  /^(cortex|rv32|fe310)(?!.*(-user|plus)$)/.test(name),
);

const isTarget = (name: string): name is TargetName => Object.hasOwn(targets, name);

/** `host` is gcc's. @throws InputError for a name that is no target. */
export function targetNamed(name: string): TargetName {
  const full = name === 'host' ? 'host-gcc' : name;
  if (isTarget(full)) return full;
  const names = ['host', ...targetNames];
  const todo = didYouMean(name, names);
  throw new InputError({
    where: 'target',
    found: `'${name}'`,
    supported: names.join(', '),
    ...(todo === undefined ? {} : { todo }),
  });
}
