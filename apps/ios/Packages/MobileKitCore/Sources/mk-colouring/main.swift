// Measures the colouring of a mask, on one thread: logits of 256 × 256 pixels and 10 classes to RGBA.
import Foundation
import MobileKitCore

let runs = 200
let side = 256
let classes = 10

func median(_ layout: Layout) throws -> Int {
    let shape = layout == .nchw ? [1, classes, side, side] : [1, side, side, classes]
    guard let planes = Planes(shape: shape, layout: layout) else { throw Failure("no image: \(shape)") }
    let work = RandomWorkload([End(name: "logits", shape: shape, dtype: "float32")]).prepare()
    let logits = work["logits"]?.values ?? []
    let colours = try ColourMap(colours: [], classes: classes)
    let clock = SteadyClock()
    var samples: [Int] = []
    var seen = 0
    for _ in 0..<runs {
        let started = clock.now()
        let rgba = try colours.rgba(of: Mask.classes(of: logits, planes: planes))
        samples.append(clock.now() - started)
        seen += Int(rgba[seen % rgba.count])
    }
    guard seen > 0, let summary = Summary(samplesNs: samples) else { throw Failure("nothing was coloured") }
    return summary.p50Ns
}

do {
    for layout in [Layout.nchw, .nhwc] {
        print("colouring \(layout.rawValue) \(String(format: "%.3f", Double(try median(layout)) / 1e6)) ms")
    }
} catch {
    FileHandle.standardError.write(Data("mk-colouring: \(oneLine(of: error))\n".utf8))
    exit(1)
}
