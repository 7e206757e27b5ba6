@file:Suppress("unused", "UNUSED_PARAMETER", "UNREACHABLE_CODE")

package android.os

interface Parcelable

class Bundle {
    fun getString(key: String): String? = error("declared only")
}

class Build {
    class VERSION {
        companion object {
            @JvmField val SDK_INT: Int = 0

            @JvmField val RELEASE: String = ""
        }
    }

    class VERSION_CODES {
        companion object {
            const val Q = 29
            const val S = 31
        }
    }

    companion object {
        @JvmField val MANUFACTURER: String = ""

        @JvmField val MODEL: String = ""

        @JvmField val SOC_MODEL: String = ""

        @JvmField val HARDWARE: String = ""

        @JvmField val DISPLAY: String = ""
    }
}

class BatteryManager {
    val isCharging: Boolean get() = error("declared only")

    fun getIntProperty(id: Int): Int = error("declared only")

    companion object {
        const val BATTERY_PROPERTY_CAPACITY = 4
    }
}

class PowerManager {
    val isPowerSaveMode: Boolean get() = error("declared only")
    val currentThermalStatus: Int get() = error("declared only")
}

class Process {
    companion object {
        @JvmStatic
        fun myPid(): Int = error("declared only")
    }
}

class Debug {
    companion object {
        @JvmStatic
        fun getPss(): Long = error("declared only")
    }
}
