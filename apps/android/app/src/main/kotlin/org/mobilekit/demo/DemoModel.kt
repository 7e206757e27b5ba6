package org.mobilekit.demo

import android.app.Application
import androidx.lifecycle.AndroidViewModel

/** What the screens show; it outlives a turn of the phone. */
class DemoModel(
    application: Application,
) : AndroidViewModel(application) {
    private val store = ModelStore(application)
    val choice = Choice(store)
    val live = LiveModel(application, store, choice)
    val benchmark = BenchmarkModel(application, store, choice)
    val parity = ParityModel(store, choice)

    override fun onCleared() {
        live.close()
        benchmark.close()
        parity.close()
    }
}
