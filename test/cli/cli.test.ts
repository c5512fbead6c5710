import { describe, expect, test } from 'vitest';
import { DefectError } from '../../src/base/errors.ts';
import { createCli } from '../../src/cli/cli.ts';
import { bench, fakeApi } from '../support/cli.ts';

const commands = ['compile', 'run', 'verify', 'inspect', 'eval', 'demo'];
const esc = String.fromCharCode(27);

describe('thimble', () => {
  test('alone: three commands to try', async () => {
    const { code, out, err } = await bench().run();
    expect(code).toBe(0);
    expect(out.match(/^ {2}thimble \w+/gm)).toEqual([
      '  thimble demo',
      '  thimble inspect',
      '  thimble compile',
    ]);
    expect(err).toBe('');
  });

  test('--help lists every command and fits 80 columns', async () => {
    const { code, out } = await bench().run('--help');
    expect(code).toBe(0);
    for (const name of commands) expect(out).toMatch(new RegExp(`^  ${name} `, 'm'));
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  test("--version is the package's", async () => {
    expect((await bench().run('--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test.each(commands)('%s --help: options, an example, --json, 80 columns', async (name) => {
    const { code, out, err } = await bench().run(name, '--help');
    expect(code).toBe(0);
    expect(err).toBe('');
    expect(out).toContain(`Usage: thimble ${name}`);
    expect(out).toMatch(/^Examples?:\n {2}thimble /m);
    expect(out).toContain('--json');
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  test.each([
    [['frobnicate'], "unknown command 'frobnicate'"],
    [['demo', '--frob'], "unknown option '--frob'"],
    [['compil', 'x.onnx'], "unknown command 'compil' (Did you mean compile?)"],
    [['compile', 'x.onnx', '--target', 'cortexm4'], "(did you mean 'cortex-m4'?)"],
    [['compile', 'x.onnx', '--flash', '12'], 'Are these bytes? Write 12KB or 12B.'],
    [['inspect', 'x.onnx', '--axis', 'frames'], 'for example frames=98'],
    [['compile'], "missing required argument 'model'"],
    [['run', 'x.onnx'], "required option '--input <FILE>' not specified"],
    [['compile', 'x.onnx', '--samples', 'many'], "argument 'many' is invalid"],
    [['compile', 'x.onnx', '--requant', 'twice'], "argument 'twice' is invalid"],
    [['compile', 'x.onnx', '--pad', '-1'], "argument '-1' is invalid"],
    [['run', 'x.onnx', '--input', 'x', '--layout', 'nwhc'], '--layout nwhc: no such layout'],
    [['compile', 'x.onnx', '--resize', '32'], '--resize 32: not a size'],
    [['compile', 'x.onnx', '--normalize', '0.5'], '--normalize 0.5: 1 numbers without a ;'],
    [['verify', 'out', '--targets', 'host,z80'], "target: 'z80'"],
    [['eval', 'x.onnx', '--input', 'x', '--min-top1', 'high'], "argument 'high' is invalid"],
    [['inspect', '/nowhere/x.onnx'], '/nowhere/x.onnx: there is no such file'],
  ])('%j is bad usage: exit code 2, one line', async (argv, message) => {
    const { code, out, err } = await bench().run(...argv);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toMatch(/^thimble: [^\n]+\n$/);
    expect(err).toContain(message);
  });

  test('a defect: exit code 3, a stack, and a request to report it', async () => {
    const api = {
      loadModel: () => {
        throw new DefectError('two buffers clash');
      },
    };
    const { code, err } = await bench({ api }).run('inspect', 'models/lenet5.onnx');
    expect(code).toBe(3);
    expect(err).toContain('two buffers clash');
    expect(err).toContain('    at ');
    expect(err).toContain('Please report it');
  });

  test('colours only where the terminal has them', async () => {
    let coloured = '';
    const out = (text: string): void => {
      coloured += text;
    };
    const io = { out, err: out, colours: true, progress: false, columns: 80 };
    await createCli(fakeApi().api, io)([]);
    expect(coloured).toContain(`${esc}[`);
    expect((await bench().run()).out).not.toContain(esc);
    expect((await bench().run('inspect', 'models/lenet5.onnx')).out).not.toContain(esc);
  });
});
