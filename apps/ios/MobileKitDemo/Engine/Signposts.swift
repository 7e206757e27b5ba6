import MobileKitCore
import os

/// Marks the stages of a frame for Instruments.
struct Signposts: StageMarking {
    private let signposter = OSSignposter(subsystem: "org.mobilekit.demo", category: "frame")

    func begin(_ stage: Stage) -> () -> Void {
        let (signposter, name) = (signposter, stage.signpost)
        let state = signposter.beginInterval(name)
        return { signposter.endInterval(name, state) }
    }
}

extension Stage {
    /// Instruments knows only names that the compiler knows.
    fileprivate var signpost: StaticString {
        switch self {
        case .detection: "detection"
        case .preprocess: "preprocess"
        case .inference: "inference"
        case .colouring: "colouring"
        case .total: "total"
        }
    }
}
