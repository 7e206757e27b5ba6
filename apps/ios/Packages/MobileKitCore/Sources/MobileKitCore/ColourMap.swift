/// Straight RGBA for each class: class 0 is transparent black, others have their colour at full alpha.
public struct ColourMap: Equatable, Sendable {
    /// Four bytes a class, as they lie in memory: red, green, blue, alpha.
    let table: [UInt32]

    /// Read `#rrggbb` of each class.
    ///
    /// - Parameters:
    ///   - colours: of a manifest; where it does not have one per class, hues are spread over them.
    ///   - classes: how many there are.
    /// - Throws: `Failure` for other words, or more classes than a mask can hold.
    public init(colours: [String], classes: Int) throws {
        guard (1...Mask.mostClasses).contains(classes) else {
            throw Failure("expected 1 to \(Mask.mostClasses) classes with colours, found \(classes)")
        }
        let known = colours.count == classes ? try colours.map(Self.parsed) : Self.spread(over: classes)
        table = known.enumerated().map { number, colour in
            number == 0 ? 0 : Self.packed(colour)
        }
    }

    /// Return each pixel's four bytes.
    ///
    /// - Throws: `Failure` for a class that has no colour.
    public func rgba(of mask: [UInt8]) throws -> [UInt8] {
        if let most = mask.max(), Int(most) >= table.count {
            throw Failure("class \(most) has no colour; there are \(table.count)")
        }
        return [UInt8](unsafeUninitializedCapacity: 4 * mask.count) { out, count in
            let raw = UnsafeMutableRawBufferPointer(out)
            table.withUnsafeBufferPointer { colours in
                for (pixel, number) in mask.enumerated() {
                    raw.storeBytes(of: colours[Int(number)], toByteOffset: 4 * pixel, as: UInt32.self)
                }
            }
            count = 4 * mask.count
        }
    }

    /// Return red, green and blue of a class.
    public func components(of number: Int) -> (red: UInt8, green: UInt8, blue: UInt8) {
        let packed = UInt32(littleEndian: table[number])
        return (
            UInt8(truncatingIfNeeded: packed), UInt8(truncatingIfNeeded: packed >> 8),
            UInt8(truncatingIfNeeded: packed >> 16)
        )
    }

    private static func parsed(_ text: String) throws -> SIMD3<UInt32> {
        guard text.count == 7, text.first == "#", let number = UInt32(text.dropFirst(), radix: 16) else {
            throw Failure("expected a colour such as #f2c6a0, found \(text)")
        }
        return SIMD3(number >> 16, number >> 8 & 255, number & 255)
    }

    private static func packed(_ colour: SIMD3<UInt32>) -> UInt32 {
        (colour.x | colour.y << 8 | colour.z << 16 | 255 << 24).littleEndian
    }

    /// Turn by the golden ratio from class to class, so that neighbours differ.
    private static func spread(over classes: Int) -> [SIMD3<UInt32>] {
        (0..<classes).map { number in
            let turned = 0.618034 * Double(number)
            let hue = 6 * (turned - turned.rounded(.down))
            func part(_ offset: Double) -> UInt32 {
                let place = (offset + hue).truncatingRemainder(dividingBy: 6)
                let share = max(0, min(1, min(place, 4 - place)))
                return UInt32((255 * 0.95 * (1 - 0.75 * share)).rounded())
            }
            return SIMD3(part(5), part(3), part(1))
        }
    }
}
