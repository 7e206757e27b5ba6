@preconcurrency import CoreML
import MobileKitCore

/// Where Core ML means to run each operator of a program.
@available(iOS 17.4, *)
enum ComputePlan {
    static func operators(of compiled: URL, configuration: MLModelConfiguration) async throws -> [Operator] {
        let plan = try await MLComputePlan.load(contentsOf: compiled, configuration: configuration)
        guard case .program(let program) = plan.modelStructure, let main = program.functions["main"] else {
            return []
        }
        var found: [Operator] = []
        add(main.block, plan: plan, to: &found)
        return found
    }

    private static func add(
        _ block: MLModelStructure.Program.Block, plan: MLComputePlan, to found: inout [Operator]
    ) {
        for operation in block.operations where !Operator.isConstant(operation.operatorName) {
            found.append(
                Operator(
                    index: found.count, name: operation.outputs.first?.name ?? "",
                    type: operation.operatorName,
                    device: place(plan.deviceUsage(for: operation)?.preferred),
                    costWeight: plan.estimatedCost(of: operation)?.weight))
            for inner in operation.blocks {
                add(inner, plan: plan, to: &found)
            }
        }
    }

    private static func place(_ device: MLComputeDevice?) -> Operator.Place {
        switch device {
        case .cpu: .cpu
        case .gpu: .gpu
        case .neuralEngine: .ane
        default: .unassigned
        }
    }
}
