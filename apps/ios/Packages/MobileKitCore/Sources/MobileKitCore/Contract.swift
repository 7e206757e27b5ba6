/// What a model file wants and gives, as its manifest says: no constant of a model is typed elsewhere.
public struct ModelContract: Equatable, Sendable {
    /// What the outputs are shown as.
    public enum Task: Equatable, Sendable {
        /// A mask: scores of the classes at each pixel, in an output.
        case segmentation(output: String, planes: Planes)
        /// How likely a face is forged: the scores of an output, and the place of the class.
        case forgery(output: String, fake: Int)
        /// The most likely class: the scores of an output.
        case classification(output: String)
    }

    /// The label that marks a network which tells forged faces from real ones.
    public static let fake = "fake"

    /// Of the artifact.
    public let name: String
    /// The picture.
    public let image: TensorSpec
    /// Its axes.
    public let planes: Planes
    /// The inputs beside the picture.
    public let others: [TensorSpec]
    /// What the outputs are shown as.
    public let task: Task
    /// Output that says where the network looks, with its axes.
    public let heat: (output: String, planes: Planes)?
    /// Names of the classes.
    public let labels: [String]
    /// Colours of the classes.
    public let colours: [String]
    /// Output → input of the next frame.
    public let state: [String: String]
    /// Output of the file → output of the network, where they are called otherwise.
    public let renames: [String: String]
    /// What becomes of a pixel's value before it is given to the file.
    let pixels: PixelRange

    /// Read what the manifest says of a file.
    ///
    /// - Throws: `Failure` where it takes no whole picture, or gives nothing that can be shown.
    public init(_ manifest: Manifest, file: ModelFile) throws {
        let fedBack = Set(manifest.state.values)
        guard let image = file.inputs.first(where: { !fedBack.contains($0.name) }),
            let planes = Planes(shape: image.shape, layout: image.layout), !image.isPart
        else { throw Failure("\(manifest.name): \(file.path) does not take a whole picture") }
        name = manifest.name
        self.image = image
        self.planes = planes
        others = file.inputs.filter { $0.name != image.name }
        labels = manifest.labels
        colours = manifest.colours
        state = manifest.state
        pixels =
            file.target.imageInput == true || manifest.normalization != nil ? .camera : .standardized
        task = try Self.task(of: manifest)
        renames = Self.renames(manifest, file: file)
        heat =
            manifest.outputs.lazy.compactMap { spec in
                Planes(shape: spec.shape, layout: spec.layout).flatMap {
                    $0.channels == 1 ? (spec.name, $0) : nil
                }
            }.first
    }

    private static func task(of manifest: Manifest) throws -> Task {
        for spec in manifest.outputs {
            let layout: Layout = spec.layout == .plain ? .nchw : spec.layout
            if let planes = Planes(shape: spec.shape, layout: layout), (2...256).contains(planes.channels) {
                return .segmentation(output: spec.name, planes: planes)
            }
        }
        guard let scores = manifest.outputs.first(where: { $0.shape.count == 2 && $0.shape[0] == 1 }) else {
            throw Failure("\(manifest.name): gives neither a mask nor scores of classes")
        }
        if let place = manifest.labels.firstIndex(of: fake), scores.shape[1] == manifest.labels.count {
            return .forgery(output: scores.name, fake: place)
        }
        return .classification(output: scores.name)
    }

    /// A Core ML classifier gives its scores as a dictionary of another name than the network's only output.
    private static func renames(_ manifest: Manifest, file: ModelFile) -> [String: String] {
        guard manifest.outputs.count == 1,
            let scores = file.outputs.first(where: { $0.dtype == "dictionary" })
        else { return [:] }
        return [scores.name: manifest.outputs[0].name]
    }

    /// Return the names of the classes; numbers where the manifest has others.
    public func names(count: Int) -> [String] {
        labels.count == count ? labels : (0..<count).map { "class \($0)" }
    }

    /// Whether it tells forged faces, but not where it looks.
    public var lacksHeat: Bool {
        if case .forgery = task { return heat == nil }
        return false
    }

    /// Compare all parts.
    public static func == (one: Self, other: Self) -> Bool {
        one.name == other.name && one.image == other.image && one.others == other.others
            && one.task == other.task && one.heat?.output == other.heat?.output && one.labels == other.labels
            && one.colours == other.colours && one.state == other.state && one.pixels == other.pixels
    }
}

/// What becomes of a pixel's value.
enum PixelRange: Equatable, Sendable {
    /// Nothing: the file wants 0–255.
    case camera
    /// Standardized by ImageNet's statistics, where a network was exported without a normalization.
    case standardized

    private static let mean: [Float] = [0.485, 0.456, 0.406]
    private static let deviation: [Float] = [0.229, 0.224, 0.225]

    /// Bring values 0–255 of an image into this range.
    func applied(to values: [Float], planes: Planes) -> [Float] {
        guard self == .standardized, planes.channels == 3 else {
            return self == .camera ? values : values.map { $0 / 255 }
        }
        let (channelStep, pixelStep) = planes.strides
        var found = values
        for channel in 0..<3 {
            for pixel in 0..<planes.pixels {
                let at = channel * channelStep + pixel * pixelStep
                found[at] = (values[at] / 255 - Self.mean[channel]) / Self.deviation[channel]
            }
        }
        return found
    }
}
