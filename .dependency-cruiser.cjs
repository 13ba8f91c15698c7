// Who may import whom. `libs/layers.json` says which libs are pure. Each rule has a planted violation under
// tests/architecture/planted that proves that it bites. Cycles are the linter's to find: it knows which imports are types.
const { pure, adapters } = require('./libs/layers.json');
const root = process.env.HEXAD_ARCHITECTURE_ROOT ? `${process.env.HEXAD_ARCHITECTURE_ROOT}/` : '';
const any = (names) => `^${root}libs/(${names.join('|')})/`;
const tests = '(\\.test\\.ts$|/testing/)';

module.exports = {
  options: {
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    tsPreCompilationDeps: false,
  },
  forbidden: [
    {
      name: 'pure-imports-pure-only',
      comment: 'A pure lib has no adapter, service, package or Node module below it.',
      severity: 'error',
      from: { path: any(pure), pathNot: tests },
      to: { pathNot: [any(pure), `^${root}proto/gen/`] },
    },
    {
      name: 'libs-never-import-services',
      severity: 'error',
      from: { path: `^${root}(libs|proto)/` },
      to: { path: `^${root}(services|tools)/` },
    },
    {
      name: 'services-never-import-services',
      comment:
        'They speak over the wire; only proto/ is shared. The supervisor starts them as processes. No tool is part of one.',
      severity: 'error',
      from: { path: `^${root}(?:services|tools)/([^/]+)/` },
      to: { path: `^${root}(services|tools)/`, pathNot: `^${root}(services|tools)/$1/` },
    },
    {
      name: 'only-rpc-knows-the-engine',
      severity: 'error',
      from: { pathNot: [`^${root}libs/rpc/`, `^${root}tests/`, tests] },
      to: { path: '(^|/)(@grpc/grpc-js|http2)' },
    },
    {
      name: 'every-lib-has-a-layer',
      severity: 'error',
      from: { path: `^${root}libs/`, pathNot: [any([...pure, ...adapters]), `^${root}libs/[^/]+$`] },
      to: {},
    },
    {
      name: 'no-test-code-in-product',
      severity: 'error',
      from: { path: `^${root}(libs|services|tools|proto)/`, pathNot: tests },
      to: { path: ['(\\.test\\.ts$|/testing/)', `^${root}tests/`] },
    },
  ],
};
