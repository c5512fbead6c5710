/** `examples/`, and the sketch of Arduino packages: up to date, built, and run where there is an emulator. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { indexOfLargest } from '../src/base/extremes.ts';
import { gccFlags } from '../src/emit/flags.ts';
import { classifies } from '../src/emit/header.ts';
import type { EmitInfo } from '../src/emit/info.ts';
import { emitC } from '../src/emit/package.ts';
import { elemBytes } from '../src/ir/kernel/kernel.ts';
import { programFrom } from '../src/program/json.ts';
import type { Program } from '../src/program/program.ts';
import { inputBytesOf, outputSlots, partsFor, readElement } from '../src/program/slots.ts';
import { simulate } from '../src/runtime/engines.ts';
import { evaluate } from './oracles/kernel-evaluator.ts';
import { arduinoCore, compiledCore, compiledLibrary, linkedForUno, runOnHost } from './support/arduino.ts';
import { exampleDigits, exampleFiles } from './support/example-files.ts';
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

/** Programs written by hand let pointers run past what they point into, which the simulator traps. */
const outcomeOf = (made: Program, input: Uint8Array) =>
  made.inputs.length === 1 ? evaluate(made, input) : simulate(made, input);

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

  const written = (name: string, made: Program, info: EmitInfo): string => {
    const library = path.join(root, name);
    for (const [file, text] of emitC(made, { ...info, package: 'arduino' })) {
      mkdirSync(path.dirname(path.join(library, file)), { recursive: true });
      writeFileSync(path.join(library, file), text);
    }
    return library;
  };

  const ports = portsBuilt('int8');
  const info = { command: '', version: '0', hash: '' };
  const cases: readonly (readonly [string, Program, Uint8Array | undefined])[] = [
    ...samples.map(({ program: made, inputs }) => [made.name, made, inputs[0]] as const),
    ['several inputs and outputs', ports.program, ports.examples[0]],
    ['nothing recorded', ports.program, undefined],
  ];

  arduino.each(cases)('the sketch of a package compiles: %s', (name, made, input) => {
    const golden = input === undefined ? [] : [{ input, output: outcomeOf(made, input).output }];
    const library = written(name, made, { ...info, golden });
    compiledLibrary(library, path.join(library, 'objects'));
  });

  testWith(['gcc', 'g++']).each(cases)(
    'what the sketch prints is what the simulator computes: %s',
    (name, made, input) => {
      const given = input ?? new Uint8Array(inputBytesOf(made));
      const { output } = outcomeOf(made, given);
      const golden = input === undefined ? [] : [{ input, output }];
      const library = written(`host ${name}`, made, { ...info, golden });
      const lines = runOnHost(library).trimEnd().split('\r\n');
      const elements = outputSlots(made).map((slot, i) => {
        const bytes = partsFor(outputSlots(made), output)[i]!;
        return Array.from({ length: slot.length }, (_, e) =>
          readElement(bytes, slot, e * elemBytes[slot.elem]),
        );
      });
      if (classifies(made)) expect(lines).toEqual([`class ${indexOfLargest(elements[0]!)}`]);
      else
        expect(lines.map((line) => line.trim().split(' ').map(Number))).toEqual(
          elements.map((numbers) => numbers.slice(0, 10)),
        );
    },
  );
});
