/** `examples/`, and the sketch of Arduino packages: up to date, built, and run where there is an emulator. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { gccFlags } from '../src/emit/flags.ts';
import { emitC } from '../src/emit/package.ts';
import { programFrom } from '../src/program/json.ts';
import type { Program } from '../src/program/program.ts';
import { arduinoCore, compiledCore, compiledLibrary, linkedForUno } from './support/arduino.ts';
import { exampleDigits, exampleFiles } from './support/example-files.ts';
import { infoOf } from './support/golden.ts';
import { portsBuilt } from './support/port-ops.ts';
import { printedUntil, runTool } from './support/run-tool.ts';
import { samples } from './support/sample-programs.ts';
import { testWith } from './support/toolchain.ts';

const root = mkdtempSync(path.join(tmpdir(), 'thimble-examples-'));
afterAll(() => rmSync(root, { recursive: true }));

const examples = path.join(import.meta.dirname, '../examples');
const below = (...parts: readonly string[]): string => path.join(examples, ...parts);
const textOf = (file: string): string => readFileSync(file, 'utf8');
const program = programFrom(textOf(below('lenet5/lenet5.program.json')));

describe('what is generated', () => {
  const { version } = JSON.parse(textOf(below('../package.json'))) as { version: string };
  const files = exampleFiles(program, readFileSync(below('../models/lenet5.onnx')), version);
  test.each([...files])('%s is what is printed today', async (file, text) => {
    await expect(text).toMatchFileSnapshot(below(file));
  });
});

const wanted = [...exampleDigits.map((digit) => `a drawn ${digit}: class ${digit}\r\n`), 'done\r\n'].join('');
const shared = [below('classify.c'), below('lenet5/src/lenet5.c')];
const flags = [
  ...['-std=c99', '-Os', '-Wall', '-Wextra', '-Werror', '-ffunction-sections', ...gccFlags(program)],
  ...[`-I${examples}`, `-I${below('lenet5/src')}`],
];
/** Bare metal. */
function linked(board: string, cpu: string): string {
  const elf = path.join(root, `${board}.elf`);
  const chip = [
    '-mthumb',
    `-mcpu=${cpu}`,
    '-nostartfiles',
    '--specs=nano.specs',
    '-T',
    below(board, 'link.ld'),
  ];
  runTool('arm-none-eabi-gcc', [...flags, ...chip, below(board, 'main.c'), ...shared, '-o', elf], root);
  return elf;
}

testWith(['arm-none-eabi-gcc', 'qemu-system-arm'])(
  'Nucleo-F401: the program runs on a board of QEMU with the same registers',
  async () => {
    const elf = linked('nucleo-f401', 'cortex-m4');
    // An STM32F405: its USART2 is the second serial port.
    const board = [
      '-M',
      'netduinoplus2',
      '-nographic',
      '-monitor',
      'none',
      '-serial',
      'null',
      '-serial',
      'stdio',
    ];
    expect(await printedUntil('done\r\n', 'qemu-system-arm', [...board, '-kernel', elf])).toBe(wanted);
  },
);

testWith(['arm-none-eabi-gcc'])(
  'RP2040: one image at the start of RAM, whose first instruction is its entry',
  () => {
    const elf = linked('rp2040', 'cortex-m0plus');
    expect(runTool('arm-none-eabi-readelf', ['-h', elf], root)).toMatch(/Entry point address: +0x20000001/);
    expect(runTool('arm-none-eabi-readelf', ['-lW', elf], root)).toMatch(/LOAD +\w+ 0x20000000 0x20000000/);
  },
);

testWith(['riscv64-unknown-elf-gcc', 'qemu-system-riscv32'])(
  'ESP32-C3: app_main of the component, as rv32imc code',
  async () => {
    const elf = path.join(root, 'c3.elf');
    const start = path.join(root, 'start.c');
    writeFileSync(start, 'void app_main(void);\nint main(void) { app_main(); return 0; }\n');
    const memory = [
      ...['--defsym=__flash=0x80000000', '--defsym=__flash_size=0x100000'],
      ...['--defsym=__ram=0x80200000', '--defsym=__ram_size=0x100000'],
    ].map((symbol) => `-Wl,${symbol}`);
    const chip = [
      '-march=rv32imc',
      '-mabi=ilp32',
      '--specs=picolibc.specs',
      '--oslib=semihost',
      '--crt0=hosted',
    ];
    const sources = [below('esp32-c3/main/main.c'), ...shared, start];
    runTool('riscv64-unknown-elf-gcc', [...flags, ...chip, ...memory, ...sources, '-o', elf], root);
    const board = ['-M', 'virt', '-bios', 'none', '-nographic', '-monitor', 'none', '-serial', 'none'];
    const host = ['-chardev', 'stdio,id=con', '-semihosting-config', 'enable=on,target=native,chardev=con'];
    expect(await printedUntil('done\r\n', 'qemu-system-riscv32', [...board, ...host, '-kernel', elf])).toBe(
      wanted,
    );
  },
);

const arduino = testWith(['avr-g++', 'simavr', arduinoCore]);

describe('Arduino Uno', () => {
  arduino('the sketch of LeNet-5 with the core of the Uno: fits, and prints the class', async () => {
    const elf = path.join(root, 'uno.elf');
    const objects = [
      ...compiledCore(path.join(root, 'core')),
      ...compiledLibrary(below('lenet5'), path.join(root, 'net')),
    ];
    const { flash, ram } = linkedForUno(objects, elf);
    // The boot loader has 512 bytes; the deepest stack of the network is below 150.
    expect(flash).toBeLessThan(32_768 - 512);
    expect(ram).toBeLessThan(2048 - 250);
    const printed = await printedUntil(`class ${exampleDigits[0]}`, 'simavr', [
      '-m',
      'atmega328p',
      '-f',
      '16000000',
      elf,
    ]);
    expect(printed).toMatch(/class 7/);
  });

  const [int8, float, words] = samples;
  const ports = portsBuilt('int8');
  arduino.each<[string, Program, readonly Uint8Array[]]>([
    ['int8', int8!.program, int8!.inputs],
    ['float32', float!.program, float!.inputs],
    ['int16', words!.program, words!.inputs],
    ['several inputs and outputs', ports.program, []],
  ])('the sketch of a package compiles: %s', (name, made, inputs) => {
    const info = inputs.length === 0 ? { ...infoOf(int8!), golden: [] } : infoOf({ program: made, inputs });
    const library = path.join(root, name);
    for (const [file, text] of emitC(made, { ...info, package: 'arduino' })) {
      mkdirSync(path.dirname(path.join(library, file)), { recursive: true });
      writeFileSync(path.join(library, file), text);
    }
    compiledLibrary(library, path.join(library, 'objects'));
  });
});
