"""The style of the page of --html: for light and dark screens, narrow ones, and paper."""

STYLE = """:root{color-scheme:light dark;--ink:#1d1d1f;--paper:#fff;--soft:#62626a;--line:#d8d8de;--box:#f5f5f7;--bar:#3c6fb4;
--out:#b3261e;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e6e6ea;--paper:#17181b;--soft:#a2a2ac;--line:#3a3b42;--box:#212226;--bar:#7faee8;
--out:#ff8a80;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0 auto;padding:24px 20px 48px;max-width:1100px;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1{font-size:24px;line-height:1.25;margin:0 0 4px}
h2{font-size:19px;margin:36px 0 10px;padding-top:12px;border-top:1px solid var(--line)}
h3{font-size:16px;margin:0 0 2px}
h1,h2,h3,p,li,figcaption,pre{overflow-wrap:anywhere}
td{overflow-wrap:break-word;max-width:480px}
p{margin:4px 0}
a{color:inherit}
ul,ol{margin:4px 0;padding-left:22px}
.soft,figcaption,.ends,.legend{color:var(--soft);font-size:13px;line-height:1.4}
figcaption b{color:var(--ink)}
.bad{color:var(--bad);font-weight:600}
p.bad{font-weight:400}
.block{display:flex;flex-wrap:wrap;gap:2px;max-width:240px}
pre{white-space:pre-wrap;background:var(--box);border:1px solid var(--line);border-radius:6px;padding:10px 12px;margin:8px 0;
font:13px/1.45 ui-monospace,Menlo,Consolas,monospace}
.wide{overflow-x:auto;margin:8px 0}
table{border-collapse:collapse;font-size:13px;line-height:1.4}
th,td{padding:3px 18px 3px 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{font-weight:600;white-space:nowrap}
td.n,th.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
table.weights td{padding:2px 6px;text-align:right;border:1px solid var(--line);white-space:nowrap;font-size:12px;
font-variant-numeric:tabular-nums}
nav ol{columns:3 220px;column-gap:28px;font-size:14px}
article{margin:0 0 16px;padding:14px 16px;border:1px solid var(--line);border-radius:8px}
article.failed{border-left:4px solid var(--bad)}
.tiles{display:flex;flex-wrap:wrap;gap:18px;margin:12px 0 4px;align-items:flex-start}
figure{margin:0;max-width:100%;break-inside:avoid}
figure.map,figure.input{flex:0 1 auto;min-width:140px;max-width:min(100%,256px)}
figure.map figcaption,figure.input figcaption{max-width:256px}
.kernels figcaption{max-width:160px}
figure.layer{flex:1 0 100%}
figcaption{margin-top:5px}
img{display:block;max-width:100%;height:auto;image-rendering:pixelated;outline:1px solid var(--line)}
.histogram{margin-top:6px;max-width:256px}
.histogram svg{display:block;width:100%;height:44px;border-bottom:1px solid var(--soft)}
.in{fill:var(--bar)}
.out{fill:var(--out)}
.zero{stroke:var(--soft);stroke-width:1;vector-effect:non-scaling-stroke;stroke-dasharray:2 2;fill:none}
.ends{display:flex;justify-content:space-between;gap:8px;font-variant-numeric:tabular-nums}
.legend{display:flex;flex-wrap:wrap;gap:8px 28px;margin-top:10px;align-items:flex-end}
.legend>div{width:220px;max-width:100%}
.legend .bar{height:11px;margin:2px 0}
.legend i{display:inline-block;width:11px;height:11px;margin-right:5px}
.legend .bar,.legend i{-webkit-print-color-adjust:exact;print-color-adjust:exact;outline:1px solid var(--line)}
details{margin-top:8px}
summary{cursor:pointer;color:var(--soft);font-size:13px}
@media(max-width:560px){body{padding:14px 12px 32px;font-size:15px}article{padding:12px 10px}th,td{padding-right:12px}
.tiles{gap:14px}}
@media print{:root{--ink:#000;--paper:#fff;--soft:#444;--line:#bbb;--box:#fff;--bar:#3c6fb4;--out:#b3261e;--bad:#b3261e}
body{max-width:none;padding:0;font-size:11pt}article{break-inside:auto}h2,h3{break-after:avoid}.wide{overflow:visible}
.in,.out{-webkit-print-color-adjust:exact;print-color-adjust:exact}}"""
