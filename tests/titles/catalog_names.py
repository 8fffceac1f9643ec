"""Names of a small catalogue: the CPUs in the seller titles, and CPUs with similar model numbers."""

from __future__ import annotations

NAMES = """\
AMD 4700S
AMD A10 Micro-6700T APU
AMD A10 PRO-7850B APU
AMD A10-5700 APU
AMD A10-5800B APU
AMD A10-5800K APU
AMD A10-6700 APU
AMD A10-6700T APU
AMD A10-6800B APU
AMD A10-6800K APU
AMD A10-7400P
AMD A10-7700K APU
AMD A10-7850K APU
AMD A10-8700P
AMD A10-9700
AMD A10-9700E
AMD A12-9700P
AMD A4 Micro-6400T APU
AMD A4-6300 APU
AMD A4-6300B APU
AMD A6 Micro-6500T APU
AMD A6 PRO-7050B APU
AMD A6 PRO-7400B
AMD A6-3600 APU
AMD A6-5400B APU
AMD A6-5400K APU
AMD A6-6400B APU
AMD A6-6400K APU
AMD A6-7400K APU
AMD A6-8500P
AMD A6-9400
AMD A6-9500
AMD A6-9500E
AMD A8-3520M APU
AMD A8-5600K APU
AMD A8-6500 APU
AMD A8-6500B APU
AMD A8-6500T APU
AMD A8-6600K APU
AMD A8-7050
AMD A8-8600P
AMD A9-9400
AMD Athlon 220GE
AMD Athlon 64 2000+
AMD Athlon 64 2600+
AMD Athlon 64 3200+
AMD Athlon 64 3700+
AMD Athlon 64 3800+
AMD Athlon 64 X2 Dual Core 3600+
AMD Athlon 64 X2 Dual Core 3800+
AMD Athlon 64 X2 Dual Core 5400+
AMD Athlon 64 X2 Dual Core 5600+
AMD Athlon 64 X2 Dual Core 5800+
AMD Athlon 64 X2 Dual Core 6400+
AMD Athlon 7850 Dual-Core
AMD Athlon Dual Core 5400B
AMD Athlon Dual Core 5600B
AMD Athlon II N330 Dual-Core
AMD Athlon II N370 Dual-Core
AMD Athlon II Neo K125
AMD Athlon II X2 220
AMD Athlon II X2 250
AMD Athlon II X2 250e
AMD Athlon II X2 250u
AMD Athlon II X3 420e
AMD Athlon II X3 440
AMD Athlon II X3 450
AMD Athlon II X4 600e
AMD Athlon II X4 640
AMD Athlon II X4 650
AMD Athlon LE-1600
AMD Athlon X2 250
AMD Athlon X2 370K Dual Core
AMD Athlon X2 450
AMD Athlon X3 440
AMD Athlon X4 640
AMD Athlon X4 730
AMD Athlon X4 740 Quad Core
AMD Athlon X4 840
AMD Athlon X4 970
AMD Athlon XP 1600+
AMD Athlon XP 1700+
AMD Athlon XP 2000+
AMD Athlon XP 2400+
AMD Athlon XP 2600+
AMD Athlon XP 3200+
AMD E-350 APU
AMD E-450 APU
AMD E2-2000 APU
AMD E2-3200 APU
AMD EPYC 7302
AMD EPYC 7302P
AMD EPYC 7551
AMD EPYC 7551P
AMD FX-6130 Six-Core
AMD FX-6300 Six-Core
AMD FX-770K Quad-Core
AMD FX-8300 Eight-Core
AMD FX-8320 Eight-Core
AMD FX-8320E Eight-Core
AMD FX-8350 Eight-Core
AMD GX-420CA SOC
AMD GX-420MC SOC
AMD Opteron 2220
AMD Opteron 2220 SE
AMD Opteron 290
AMD Opteron 6176 SE
AMD PRO A10-8700B
AMD PRO A10-9700
AMD PRO A10-9700B
AMD PRO A10-9700E
AMD PRO A4-8350B
AMD PRO A6-8500B
AMD PRO A6-9500
AMD PRO A6-9500B
AMD PRO A6-9500E
AMD PRO A8-8600B
AMD Phenom 8400 Triple-Core
AMD Phenom 8600 Triple-Core
AMD Phenom 8600B Triple-Core
AMD Phenom 9500 Quad-Core
AMD Phenom 9650 Quad-Core
AMD Phenom II N640 Dual-Core
AMD Phenom II N970 Quad-Core
AMD Phenom II P650 Dual-Core
AMD Phenom II P840 Triple-Core
AMD Phenom II X2 550
AMD Phenom II X3 720
AMD Phenom II X3 740
AMD Phenom II X4 840
AMD Phenom II X4 840T
AMD Phenom II X4 965
AMD Phenom II X4 970
AMD Phenom II X640 Dual-Core
AMD Phenom X2 Dual-Core GE-5060
AMD Ryzen 3 3200G
AMD Ryzen 3 3200U
AMD Ryzen 3 5400U
AMD Ryzen 3 8300G
AMD Ryzen 3 PRO 3200G
AMD Ryzen 3 PRO 8300G
AMD Ryzen 5 1600
AMD Ryzen 5 1600X
AMD Ryzen 5 220
AMD Ryzen 5 2400G
AMD Ryzen 5 2600
AMD Ryzen 5 2600E
AMD Ryzen 5 2600H
AMD Ryzen 5 2600X
AMD Ryzen 5 3600
AMD Ryzen 5 3600X
AMD Ryzen 5 3600XT
AMD Ryzen 5 5600
AMD Ryzen 5 5600G
AMD Ryzen 5 5600H
AMD Ryzen 5 5600T
AMD Ryzen 5 5600U
AMD Ryzen 5 5600X
AMD Ryzen 5 5600XT
AMD Ryzen 5 6600H
AMD Ryzen 5 6600U
AMD Ryzen 5 7400
AMD Ryzen 5 7400F
AMD Ryzen 5 8400F
AMD Ryzen 5 8500G
AMD Ryzen 5 8600G
AMD Ryzen 5 PRO 1600
AMD Ryzen 5 PRO 2400G
AMD Ryzen 5 PRO 2600
AMD Ryzen 5 PRO 3600
AMD Ryzen 5 PRO 4650G
AMD Ryzen 5 PRO 4650GE
AMD Ryzen 5 PRO 4650U
AMD Ryzen 5 PRO 5650G
AMD Ryzen 5 PRO 5650GE
AMD Ryzen 5 PRO 5650U
AMD Ryzen 5 PRO 8500G
AMD Ryzen 5 PRO 8600G
AMD Ryzen 7 1700
AMD Ryzen 7 1700X
AMD Ryzen 7 250
AMD Ryzen 7 3700C
AMD Ryzen 7 3700U
AMD Ryzen 7 3700X
AMD Ryzen 7 4700G
AMD Ryzen 7 4700GE
AMD Ryzen 7 4700U
AMD Ryzen 7 5700
AMD Ryzen 7 5700G
AMD Ryzen 7 5700GE
AMD Ryzen 7 5700U
AMD Ryzen 7 5700X
AMD Ryzen 7 5800
AMD Ryzen 7 5800H
AMD Ryzen 7 5800U
AMD Ryzen 7 5800X
AMD Ryzen 7 5800X3D
AMD Ryzen 7 6800H
AMD Ryzen 7 6800HS
AMD Ryzen 7 6800U
AMD Ryzen 7 7700
AMD Ryzen 7 7700X
AMD Ryzen 7 8700F
AMD Ryzen 7 8700G
AMD Ryzen 7 9700X
AMD Ryzen 7 H 250
AMD Ryzen 7 PRO 1700
AMD Ryzen 7 PRO 1700X
AMD Ryzen 7 PRO 250
AMD Ryzen 7 PRO 3700
AMD Ryzen 7 PRO 3700U
AMD Ryzen 7 PRO 4700G
AMD Ryzen 7 PRO 4750G
AMD Ryzen 7 PRO 4750GE
AMD Ryzen 7 PRO 4750U
AMD Ryzen 7 PRO 5800H
AMD Ryzen 7 PRO 8700G
AMD Ryzen 9 5900
AMD Ryzen 9 5900H
AMD Ryzen 9 5900HS
AMD Ryzen 9 5900HS Creator Edition
AMD Ryzen 9 5900HX
AMD Ryzen 9 5900X
AMD Ryzen 9 5900XT
AMD Ryzen 9 7900
AMD Ryzen 9 7900X
AMD Ryzen 9 7900X3D
AMD Ryzen 9 9900X
AMD Ryzen AI 5 330
AMD Ryzen AI 9 365
AMD Ryzen AI 9 H 365
AMD Ryzen AI 9 HX 370
AMD Ryzen AI 9 HX PRO 370
AMD Ryzen AI Max Pro 380
AMD Ryzen Embedded R1600
AMD Ryzen Threadripper 3970X
AMD Ryzen Threadripper PRO 3975WX
AMD Ryzen Threadripper PRO 5975WX
AMD Sempron 2400+
AMD Sempron 2600+
AMD Sempron 3200+
AMD Sempron 3600+
AMD Turion 64 X2 Mobile TL-60
AMD Turion II Dual-Core Mobile M520
AMD Turion II N550 Dual-Core
AMD Turion II P520 Dual-Core
AMD Turion II Ultra Dual-Core Mobile M600
AMD Turion II Ultra Dual-Core Mobile M640
Apple A18
Apple A18 Pro
Athlon 64 Dual Core 3800+
Intel 300
Intel Atom 330 @ 1.60GHz
Intel Atom C2750 @ 2.40GHz
Intel Atom C2750 @ 2.41GHz
Intel Atom D525 @ 1.80GHz
Intel Atom N450 @ 1.66GHz
Intel Atom N550 @ 1.50GHz
Intel Atom T5700 @ 1.70GHz
Intel Atom Z3770 @ 1.46GHz
Intel Atom Z3770D @ 1.49GHz
Intel Atom Z520 @ 1.33GHz
Intel Atom x5-Z8300 @ 1.44GHz
Intel Atom x5-Z8350 @ 1.44GHz
Intel Atom x5-Z8500 @ 1.44GHz
Intel Atom x7-Z8700 @ 1.60GHz
Intel Celeron 2000E @ 2.20GHz
Intel Celeron 220 @ 1.20GHz
Intel Celeron 3855U @ 1.60GHz
Intel Celeron 3865U @ 1.80GHz
Intel Celeron 420 @ 1.60GHz
Intel Celeron 440 @ 2.00GHz
Intel Celeron 450 @ 2.20GHz
Intel Celeron 550 @ 2.00GHz
Intel Celeron B840 @ 1.90GHz
Intel Celeron D 420 @ 1.60GHz
Intel Celeron E1600 @ 2.40GHz
Intel Celeron E3200 @ 2.40GHz
Intel Celeron G440 @ 1.60GHz
Intel Celeron G550 @ 2.60GHz
Intel Celeron G550T @ 2.20GHz
Intel Celeron G5900 @ 3.40GHz
Intel Celeron J3060 @ 1.60GHz
Intel Celeron J4125 @ 2.00GHz
Intel Celeron M 420 @ 1.60GHz
Intel Celeron M 440 @ 1.86GHz
Intel Celeron M 450 @ 2.00GHz
Intel Celeron M 520 @ 1.60GHz
Intel Celeron N3060 @ 1.60GHz
Intel Celeron T1600 @ 1.66GHz
Intel Celeron U3600 @ 1.20GHz
Intel Core 5 220H
Intel Core 5 220U
Intel Core 7 250H
Intel Core 7 250U
Intel Core Duo L2400 @ 1.66GHz
Intel Core Duo T2400 @ 1.83GHz
Intel Core Duo U2400 @ 1.06GHz
Intel Core M-5Y10 @ 0.80GHz
Intel Core Ultra 5 125H
Intel Core Ultra 5 125U
Intel Core Ultra 7 155H
Intel Core Ultra 7 155U
Intel Core i3-330E @ 2.13GHz
Intel Core i3-330M @ 2.13GHz
Intel Core i3-330UM @ 1.20GHz
Intel Core i3-370M @ 2.40GHz
Intel Core i3-380M @ 2.53GHz
Intel Core i3-380UM @ 1.33GHz
Intel Core i3-4570T @ 2.90GHz
Intel Core i3-550 @ 3.20GHz
Intel Core i3-6300 @ 3.80GHz
Intel Core i3-6300T @ 3.30GHz
Intel Core i3-8300 @ 3.70GHz
Intel Core i3-8300T @ 3.20GHz
Intel Core i3-8350K @ 4.00GHz
Intel Core i3-N305
Intel Core i5-1030NG7 @ 1.10GHz
Intel Core i5-10400 @ 2.90GHz
Intel Core i5-10400F @ 2.90GHz
Intel Core i5-10400H @ 2.60GHz
Intel Core i5-10400T @ 2.00GHz
Intel Core i5-1135G7 @ 2.40GHz
Intel Core i5-1230U
Intel Core i5-1240P
Intel Core i5-1240U
Intel Core i5-13600
Intel Core i5-13600H
Intel Core i5-13600HE
Intel Core i5-13600HRE
Intel Core i5-13600HX
Intel Core i5-13600K
Intel Core i5-13600KF
Intel Core i5-13600T
Intel Core i5-2400 @ 3.10GHz
Intel Core i5-2400S @ 2.50GHz
Intel Core i5-3470 @ 3.20GHz
Intel Core i5-3470S @ 2.90GHz
Intel Core i5-3470T @ 2.90GHz
Intel Core i5-450M @ 2.40GHz
Intel Core i5-4570 @ 3.20GHz
Intel Core i5-4570R @ 2.70GHz
Intel Core i5-4570S @ 2.90GHz
Intel Core i5-4570T @ 2.90GHz
Intel Core i5-4570TE @ 2.70GHz
Intel Core i5-4590 @ 3.30GHz
Intel Core i5-4590S @ 3.00GHz
Intel Core i5-4590T @ 2.00GHz
Intel Core i5-4690 @ 3.50GHz
Intel Core i5-4690K @ 3.50GHz
Intel Core i5-4690S @ 3.20GHz
Intel Core i5-4690T @ 2.50GHz
Intel Core i5-480M @ 2.67GHz
Intel Core i5-520M @ 2.40GHz
Intel Core i5-520UM @ 1.07GHz
Intel Core i5-580M @ 2.67GHz
Intel Core i5-6300U @ 2.40GHz
Intel Core i5-6400 @ 2.70GHz
Intel Core i5-6400T @ 2.20GHz
Intel Core i5-650 @ 3.20GHz
Intel Core i5-6500 @ 3.20GHz
Intel Core i5-6500T @ 2.50GHz
Intel Core i5-6600 @ 3.30GHz
Intel Core i5-6600K @ 3.50GHz
Intel Core i5-6600T @ 2.70GHz
Intel Core i5-7400 @ 3.00GHz
Intel Core i5-7400T @ 2.40GHz
Intel Core i5-8200Y @ 1.30GHz
Intel Core i5-8265U @ 1.60GHz
Intel Core i5-8265UC @ 1.60GHz
Intel Core i5-8300H @ 2.30GHz
Intel Core i5-8350U @ 1.70GHz
Intel Core i5-8365U @ 1.60GHz
Intel Core i5-8365UE @ 1.60GHz
Intel Core i5-8400 @ 2.80GHz
Intel Core i5-8400H @ 2.50GHz
Intel Core i5-8400T @ 1.70GHz
Intel Core i5-8500 @ 3.00GHz
Intel Core i5-8500B @ 3.00GHz
Intel Core i5-8500T @ 2.10GHz
Intel Core i5-8600 @ 3.10GHz
Intel Core i5-8600K @ 3.60GHz
Intel Core i5-8600T @ 2.30GHz
Intel Core i5-9400 @ 2.90GHz
Intel Core i5-9400F @ 2.90GHz
Intel Core i5-9400H @ 2.50GHz
Intel Core i5-9400T @ 1.80GHz
Intel Core i5-9500 @ 3.00GHz
Intel Core i5-9500E @ 3.00GHz
Intel Core i5-9500F @ 3.00GHz
Intel Core i7-1165G7 @ 2.80GHz
Intel Core i7-12700
Intel Core i7-12700E
Intel Core i7-12700F
Intel Core i7-12700H
Intel Core i7-12700K
Intel Core i7-12700KF
Intel Core i7-12700T
Intel Core i7-12700TE
Intel Core i7-2600 @ 3.40GHz
Intel Core i7-2620M @ 2.70GHz
Intel Core i7-2670QM @ 2.20GHz
Intel Core i7-3520M @ 2.90GHz
Intel Core i7-3770 @ 3.40GHz
Intel Core i7-3770K @ 3.50GHz
Intel Core i7-3770S @ 3.10GHz
Intel Core i7-3770T @ 2.50GHz
Intel Core i7-3970X @ 3.50GHz
Intel Core i7-4560U @ 1.60GHz
Intel Core i7-4650U @ 1.70GHz
Intel Core i7-4700EQ @ 2.40GHz
Intel Core i7-4700HQ @ 2.40GHz
Intel Core i7-4700MQ @ 2.40GHz
Intel Core i7-4750HQ @ 2.00GHz
Intel Core i7-5650U @ 2.20GHz
Intel Core i7-5700EQ @ 2.60GHz
Intel Core i7-640LM @ 2.13GHz
Intel Core i7-640M @ 2.80GHz
Intel Core i7-640UM @ 1.20GHz
Intel Core i7-6500U @ 2.50GHz
Intel Core i7-6600U @ 2.60GHz
Intel Core i7-6700 @ 3.40GHz
Intel Core i7-6700K @ 4.00GHz
Intel Core i7-6700T @ 2.80GHz
Intel Core i7-6800K @ 3.40GHz
Intel Core i7-720QM @ 1.60GHz
Intel Core i7-740QM @ 1.73GHz
Intel Core i7-7700 @ 3.60GHz
Intel Core i7-7700K @ 4.20GHz
Intel Core i7-7700T @ 2.90GHz
Intel Core i7-7900X @ 3.30GHz
Intel Core i7-840QM @ 1.87GHz
Intel Core i7-8700 @ 3.20GHz
Intel Core i7-8700B @ 3.20GHz
Intel Core i7-8700K @ 3.70GHz
Intel Core i7-965 @ 3.20GHz
Intel Core i7-970 @ 3.20GHz
Intel Core i7-9700 @ 3.00GHz
Intel Core i7-9700E @ 2.60GHz
Intel Core i9-12900
Intel Core i9-12900E
Intel Core i9-12900F
Intel Core i9-12900H
Intel Core i9-12900HK
Intel Core i9-12900HX
Intel Core i9-12900K
Intel Core i9-12900KF
Intel Core i9-12900T
Intel Core i9-7900X @ 3.30GHz
Intel Core i9-9900 @ 3.10GHz
Intel Core i9-9900B @ 3.10GHz
Intel Core i9-9900K @ 3.60GHz
Intel Core i9-9900KF @ 3.60GHz
Intel Core i9-9900KS @ 4.00GHz
Intel Core i9-9900T @ 2.10GHz
Intel Core i9-9900X @ 3.50GHz
Intel Core2 Duo E4700 @ 2.60GHz
Intel Core2 Duo E6300 @ 1.86GHz
Intel Core2 Duo E6400 @ 2.13GHz
Intel Core2 Duo E6600 @ 2.40GHz
Intel Core2 Duo E6700 @ 2.66GHz
Intel Core2 Duo E7400 @ 2.80GHz
Intel Core2 Duo E8200 @ 2.66GHz
Intel Core2 Duo E8300 @ 2.83GHz
Intel Core2 Duo E8400 @ 3.00GHz
Intel Core2 Duo L7400 @ 1.50GHz
Intel Core2 Duo L7700 @ 1.80GHz
Intel Core2 Duo P8400 @ 2.26GHz
Intel Core2 Duo P8700 @ 2.53GHz
Intel Core2 Duo SL9400 @ 1.86GHz
Intel Core2 Duo T5800 @ 2.00GHz
Intel Core2 Duo T5900 @ 2.20GHz
Intel Core2 Duo T6400 @ 2.00GHz
Intel Core2 Duo T6500 @ 2.10GHz
Intel Core2 Duo T6600 @ 2.20GHz
Intel Core2 Duo T7700 @ 2.40GHz
Intel Core2 Duo T8300 @ 2.40GHz
Intel Core2 Duo T9400 @ 2.53GHz
Intel Core2 Duo T9900 @ 3.06GHz
Intel Core2 Duo U7700 @ 1.33GHz
Intel Core2 Extreme Q6800 @ 2.93GHz
Intel Core2 Extreme X6800 @ 2.93GHz
Intel Core2 Extreme X7900 @ 2.80GHz
Intel Core2 Extreme X9650 @ 3.00GHz
Intel Core2 Quad Q6600 @ 2.40GHz
Intel Core2 Quad Q6700 @ 2.66GHz
Intel Core2 Quad Q8200 @ 2.33GHz
Intel Core2 Quad Q8400 @ 2.66GHz
Intel Core2 Quad Q9400 @ 2.66GHz
Intel Core2 Quad Q9650 @ 3.00GHz
Intel N100
Intel Pentium 4 3.00GHz
Intel Pentium B970 @ 2.30GHz
Intel Pentium E5400 @ 2.70GHz
Intel Pentium E5700 @ 3.00GHz
Intel Pentium E6300 @ 2.80GHz
Intel Pentium E6500 @ 2.93GHz
Intel Pentium E6700 @ 3.20GHz
Intel Pentium E6800 @ 3.33GHz
Intel Pentium Extreme Edition 965 @ 3.73GHz
Intel Pentium G3470 @ 3.60GHz
Intel Pentium G4560 @ 3.50GHz
Intel Pentium G4560T @ 2.90GHz
Intel Pentium G640 @ 2.80GHz
Intel Pentium G840 @ 2.80GHz
Intel Pentium Gold 8500
Intel Pentium Gold G5400 @ 3.70GHz
Intel Pentium Gold G5400T @ 3.10GHz
Intel Pentium Gold G6400 @ 4.00GHz
Intel Pentium N3520 @ 2.16GHz
Intel Pentium N3700 @ 1.60GHz
Intel Pentium P6300 @ 2.27GHz
Intel Pentium Silver A1030 @ 2.00GHz
Intel Pentium T3200 @ 2.00GHz
Intel Pentium U5400 @ 1.20GHz
Intel Xeon 3060 @ 2.40GHz
Intel Xeon @ 2.00GHz
Intel Xeon E-2124 @ 3.30GHz
Intel Xeon E-2124G @ 3.40GHz
Intel Xeon E3-1230 @ 3.20GHz
Intel Xeon E3-1230 V2 @ 3.30GHz
Intel Xeon E3-1230 v3 @ 3.30GHz
Intel Xeon E3-1230 v5 @ 3.40GHz
Intel Xeon E3-1230 v6 @ 3.50GHz
Intel Xeon E3-1230L v3 @ 1.80GHz
Intel Xeon E3-1240 @ 3.30GHz
Intel Xeon E3-1240 V2 @ 3.40GHz
Intel Xeon E3-1240 v3 @ 3.40GHz
Intel Xeon E3-1240 v5 @ 3.50GHz
Intel Xeon E3-1240 v6 @ 3.70GHz
Intel Xeon E3-1240L v3 @ 2.00GHz
Intel Xeon E3-1240L v5 @ 2.10GHz
Intel Xeon E5-1650 @ 3.20GHz
Intel Xeon E5-1650 v2 @ 3.50GHz
Intel Xeon E5-1650 v3 @ 3.50GHz
Intel Xeon E5-1650 v4 @ 3.60GHz
Intel Xeon E5-2620 @ 2.00GHz
Intel Xeon E5-2620 v2 @ 2.10GHz
Intel Xeon E5-2620 v3 @ 2.40GHz
Intel Xeon E5-2620 v4 @ 2.10GHz
Intel Xeon E5-2670 @ 2.60GHz
Intel Xeon E5-2670 v2 @ 2.50GHz
Intel Xeon E5-2670 v3 @ 2.30GHz
Intel Xeon E5-2680 @ 2.70GHz
Intel Xeon E5-2680 v2 @ 2.80GHz
Intel Xeon E5-2680 v3 @ 2.50GHz
Intel Xeon E5-2680 v4 @ 2.40GHz
Intel Xeon E5-2680R v4 @ 2.40GHz
Intel Xeon E5-2697 v2 @ 2.70GHz
Intel Xeon E5-2697 v3 @ 2.60GHz
Intel Xeon E5-2697 v4 @ 2.30GHz
Intel Xeon E5-2697A v4 @ 2.60GHz
Intel Xeon E5-2697R v4 @ 2.30GHz
Intel Xeon E5-4650 @ 2.70GHz
Intel Xeon E5-4650 v2 @ 2.40GHz
Intel Xeon E5-4650 v3 @ 2.10GHz
Intel Xeon E5-4650 v4 @ 2.20GHz
Intel Xeon E5-4650L @ 2.60GHz
Intel Xeon Gold 6130 @ 2.10GHz
Intel Xeon Gold 6130T @ 2.10GHz
Intel Xeon Gold 6148 @ 2.40GHz
Intel Xeon W-2145 @ 3.70GHz
Intel Xeon W3520 @ 2.67GHz
Intel Xeon X3470 @ 2.93GHz
Intel Xeon X5650 @ 2.67GHz
Intel i7-1165G7
Mediatek MT8788
Mobile AMD Athlon 64 3700+
Mobile AMD Athlon XP-M 1600+
Mobile AMD Athlon XP-M 2000+
Mobile AMD Sempron 3600+
Snapdragon 845 @ 2.8 GHz
Snapdragon 855 @ 2.84 GHz
[Dual CPU] Intel Xeon E5-2680 v4 @ 2.40GHz
""".splitlines()
